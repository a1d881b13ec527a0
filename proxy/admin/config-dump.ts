/** /config_dump: the runtime configuration that serves, or a part of it. Keys and other secrets are never printed. */

import type { RouteTableConfig } from '../../config/runtime/route.ts';
import type { RuntimeConfig } from '../../config/runtime/runtime-config.ts';
import { jsonSlices, textAnswer, type AdminPage } from './page.ts';
import { createSearch } from './search.ts';
import type { AdminView } from './view.ts';

export function configDumpPage(view: AdminView): AdminPage {
  return {
    path: '/config_dump',
    help: 'dump the runtime configuration that serves',
    parameters: {
      resource: 'one part as a list: clusters, listeners, routeTables, node or telemetry; or its name in Envoy',
      mask: 'fields to keep, comma-separated paths; with resource those of each element, else they begin with the part',
      name_regex: 'only clusters, listeners and route tables whose name matches (RE2, found anywhere)',
    },
    answer: ({ query }) => {
      const matches = createSearch(query.get('name_regex') ?? '');
      if (typeof matches !== 'function') return textAnswer(`Error while parsing name_regex: ${matches.problem}\n`, 400);
      const config = view.runtimeConfig();
      const mask = query.get('mask');
      const paths = mask === null ? undefined : mask.split(',').map((path) => path.trim().split('.'));
      const resource = query.get('resource');
      return resource === null ? dump(config, paths, matches) : dumpPart(config, resource, paths, matches);
    },
  };
}

type Paths = readonly (readonly string[])[];
type Part = 'node' | 'listeners' | 'routeTables' | 'clusters' | 'telemetry';

const PARTS: readonly Part[] = ['node', 'listeners', 'routeTables', 'clusters', 'telemetry'];

/** Envoy's names of what corresponds. */
const ALIASES: Readonly<Record<string, Part>> = {
  bootstrap: 'node',
  static_clusters: 'clusters',
  dynamic_active_clusters: 'clusters',
  static_listeners: 'listeners',
  dynamic_listeners: 'listeners',
  static_route_configs: 'routeTables',
  dynamic_route_configs: 'routeTables',
};

function dumpPart(config: RuntimeConfig, resource: string, paths: Paths | undefined, matches: (name: string) => boolean): ReturnType<AdminPage['answer']> {
  const part = PARTS.find((known) => known === resource) ?? (Object.hasOwn(ALIASES, resource) ? ALIASES[resource] : undefined);
  if (part === undefined) return textAnswer(`${resource} not found in config dump\n`, 404);
  return jsonSlices(listSlices('{\n "configs": [', elementsOf(config, part, matches), paths, '\n ]\n}\n'));
}

function dump(config: RuntimeConfig, paths: Paths | undefined, matches: (name: string) => boolean): ReturnType<AdminPage['answer']> {
  const wanted = PARTS.filter((part) => paths === undefined || paths.some(([first]) => first === part));
  const unknown = (paths ?? []).find(([first]) => !PARTS.some((part) => part === first));
  if (unknown !== undefined) return textAnswer(`FieldMask ${unknown.join('.')} could not be successfully applied to any configs.\n`, 400);
  return jsonSlices(partSlices(config, wanted, paths, matches));
}

function* partSlices(config: RuntimeConfig, parts: readonly Part[], paths: Paths | undefined, matches: (name: string) => boolean): Iterable<string> {
  yield `{\n "version": ${JSON.stringify(config.version)}`;
  for (const part of parts) {
    const below = pathsBelow(paths, part);
    if (part === 'node' || part === 'telemetry') yield `,\n "${part}": ${renderJson(masked(config[part], below))}`;
    else if (part === 'listeners') yield* listSlices(',\n "listeners": [', elementsOf(config, part, matches), below, '\n ]');
    else yield* recordSlices(`,\n "${part}": {`, elementsOf(config, part, matches), below, '\n }');
  }
  yield '\n}\n';
}

type Element = { readonly name: string };

function* elementsOf(config: RuntimeConfig, part: Part, matches: (name: string) => boolean): Iterable<object | undefined> {
  if (part === 'node' || part === 'telemetry') {
    yield config[part];
    return;
  }
  const elements: readonly Element[] = part === 'listeners' ? config.listeners : Object.values<Element>(config[part]);
  for (const element of elements) yield matches(element.name) ? element : undefined;
}

function* listSlices(begin: string, elements: Iterable<object | undefined>, paths: Paths | undefined, end: string): Iterable<string> {
  yield begin;
  let separator = '\n  ';
  for (const element of elements) {
    if (element !== undefined) {
      yield separator;
      yield* elementSlices(element, paths);
      separator = ',\n  ';
    } else yield '';
  }
  yield end;
}

function* recordSlices(begin: string, elements: Iterable<object | undefined>, paths: Paths | undefined, end: string): Iterable<string> {
  yield begin;
  let separator = '\n  ';
  for (const element of elements) {
    if (element === undefined || !('name' in element)) yield '';
    else {
      yield `${separator}${JSON.stringify(element.name)}: `;
      yield* elementSlices(element, paths);
      separator = ',\n  ';
    }
  }
  yield end;
}

/** A route table goes out virtual host by virtual host: one may hold 10,000 of them. */
function* elementSlices(element: object, paths: Paths | undefined): Iterable<string> {
  if (!isRouteTable(element)) {
    yield renderJson(masked(element, paths));
    return;
  }
  const withName = paths === undefined || paths.some(([first]) => first === 'name');
  const withHosts = paths === undefined || paths.some(([first]) => first === 'virtualHosts');
  yield withName ? `{ "name": ${JSON.stringify(element.name)}${withHosts ? ', ' : ''}` : '{ ';
  if (withHosts) yield* listSlices('"virtualHosts": [', element.virtualHosts, pathsBelow(paths, 'virtualHosts'), ' ]');
  yield ' }';
}

function isRouteTable(element: object): element is RouteTableConfig {
  return 'virtualHosts' in element;
}

/** What is left of the paths that begin with `first`; undefined keeps everything. */
function pathsBelow(paths: Paths | undefined, first: string): Paths | undefined {
  const below = paths?.filter((path) => path[0] === first).map((path) => path.slice(1));
  return below === undefined || below.some((path) => path.length === 0) ? undefined : below;
}

/** Only the named fields; through a list into each of its elements. */
function masked(value: unknown, paths: Paths | undefined): unknown {
  if (paths === undefined || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => masked(item, paths));
  const kept = Object.entries(value).filter(([key]) => paths.some(([first]) => first === key));
  return Object.fromEntries(kept.map(([key, field]) => [key, masked(field, pathsBelow(paths, key))]));
}

function renderJson(value: unknown): string {
  return JSON.stringify(value, redact, 1).replaceAll('\n', '\n  ');
}

const SECRET_KEY = /^(?:private_?key|client_?secret|password|token|inline_?(?:string|bytes)_?key)$/i;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

function redact(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return SECRET_KEY.test(key) || PRIVATE_KEY.test(value) ? '[redacted]' : value;
}
