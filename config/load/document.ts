/** One document's text to its resources and problems, independent of the file it stands in: the unit the loader remembers. */

import type { Finding, Path } from '../resources/finding.ts';
import { renderPath } from '../resources/finding.ts';
import { holdsAuthorities } from '../resources/config-map.ts';
import type { BodyOf, CollectionName } from '../resources/index.ts';
import { collections } from '../resources/index.ts';
import type { MeshConfigSpec } from '../resources/mesh-config.ts';
import type { Metadata } from '../resources/metadata.ts';
import type { Severity } from '../runtime/problem.ts';
import { isMeshConfigMap, parseMeshConfigMap } from './mesh.ts';
import { parseMetadata } from './metadata.ts';
import type { Position } from './position.ts';
import { positionAt } from './position.ts';
import { recognise } from './recognise.ts';
import { locate, readDocument } from './reader.ts';

/** A Problem before its file is known; the position counts from the document's first character. */
export interface DocumentProblem {
  readonly severity: Severity;
  readonly position: Position;
  readonly resource: string;
  readonly path: string;
  readonly message: string;
  readonly code?: string;
  readonly unenforcedSecurity?: boolean;
}

/** A typed resource of any collection. */
export type ParsedResource =
  | { [Name in CollectionName]: ParsedBody<Name, BodyOf<Name>> }[CollectionName]
  | ParsedBody<'meshConfig', MeshConfigSpec>;

interface ParsedBody<Name, Body> {
  readonly collection: Name;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly body: Body;
  /** Where the resource stands in its document: empty, or `['items', 3]`. */
  readonly base: Path;
  readonly position: Position;
}

export interface ParsedDocument {
  readonly resources: readonly ParsedResource[];
  readonly problems: readonly DocumentProblem[];
  /** Names of kinds passed over, repeated as often as they occur. */
  readonly skipped: readonly string[];
  /** `apiVersion: …, kind: List` and whatever else has its items elsewhere: nothing to say about an empty one. */
  readonly isList: boolean;
}

/** Pure; never throws. */
export function parseDocument(text: string): ParsedDocument {
  const collector = new DocumentCollector(text);
  const result = readDocument(text);
  if ('value' in result) collector.value(result.value, []);
  else for (const problem of result.problems) collector.textProblem(problem.offset, problem.message);
  return collector;
}

class DocumentCollector implements ParsedDocument {
  readonly resources: ParsedResource[] = [];
  readonly problems: DocumentProblem[] = [];
  readonly skipped: string[] = [];
  isList = false;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  textProblem(offset: number, message: string): void {
    this.problems.push({ severity: 'error', position: positionAt(this.#text, offset), resource: '', path: '', message });
  }

  /** A document or list item; an empty one is nothing. */
  value(value: unknown, base: Path): void {
    if (value === null && base.length === 0) return;
    if (!isMap(value)) return this.#mistake(base, '', 'a resource must be a map with apiVersion, kind and metadata');
    const { kind, apiVersion } = value;
    if (typeof kind === 'string' && /^\w*List$/.test(kind) && (Array.isArray(value['items']) || value['items'] === null)) return this.#list(value['items'] ?? [], base);
    const missing = ['apiVersion', 'kind'].filter((field) => value[field] === undefined || value[field] === null || value[field] === '');
    if (missing.length > 0) return this.#mistake(base, '', `a resource needs ${missing.join(' and ')}`);
    if (typeof kind !== 'string') return this.#mistake([...base, 'kind'], '', 'must be text');
    if (typeof apiVersion !== 'string') return this.#mistake([...base, 'apiVersion'], '', 'must be text');
    this.#resource(value, base, apiVersion, kind);
  }

  #list(items: readonly unknown[], base: Path): void {
    this.isList = true;
    for (const [index, item] of items.entries()) this.value(item, [...base, 'items', index]);
  }

  #resource(document: Readonly<Record<string, unknown>>, base: Path, apiVersion: string, kind: string): void {
    const recognised = recognise(apiVersion, kind);
    switch (recognised.kind) {
      case 'collection':
        if (recognised.name === 'configMaps') return this.#configMap(document, base);
        return this.#collect(document, base, recognised.name);
      case 'skipped':
        this.#skip(recognised.name);
        if (recognised.warning === undefined) return;
        return this.#problem(labelOf(kind, document), base, { severity: 'warning', path: [], message: recognised.warning });
      case 'mistake':
        return this.#mistake([...base, ...recognised.path], labelOf(kind, document), recognised.message);
    }
  }

  #skip(name: string): void {
    this.skipped.push(name);
  }

  #collect(document: Readonly<Record<string, unknown>>, base: Path, collection: CollectionName): void {
    const parser = collections[collection];
    const metadata = this.#metadata(document, base, parser.kind, parser.clusterScoped === true);
    // Without a name its own problems still count; placeholders are never kept.
    const { body, findings } = parser.parse(document, metadata ?? nameless);
    const label = metadata === undefined ? labelOf(parser.kind, document) : resourceLabel(parser.kind, metadata);
    for (const finding of findings) this.#problem(label, base, finding);
    if (metadata === undefined || body === undefined) return;
    this.resources.push({ collection, kind: parser.kind, metadata, body, base, position: this.#position(base, false) } as ParsedResource);
  }

  #configMap(document: Readonly<Record<string, unknown>>, base: Path): void {
    if (isMeshConfigMap(document)) return this.#meshConfig(document, base);
    return holdsAuthorities(document) ? this.#collect(document, base, 'configMaps') : this.#skip('ConfigMap');
  }

  #meshConfig(document: Readonly<Record<string, unknown>>, base: Path): void {
    const metadata = this.#metadata(document, base, 'ConfigMap', false);
    if (metadata === undefined) return;
    const { body, findings } = parseMeshConfigMap(document, this.#text, base);
    for (const finding of findings) this.problems.push(problemOf(finding, resourceLabel('ConfigMap', metadata), finding.position));
    if (body === undefined) return;
    this.resources.push({ collection: 'meshConfig', kind: 'ConfigMap', metadata, body, base, position: this.#position(base, false) });
  }

  #metadata(document: Readonly<Record<string, unknown>>, base: Path, kind: string, clusterScoped: boolean): Metadata | undefined {
    const { metadata, findings } = parseMetadata(document['metadata'], clusterScoped);
    for (const finding of findings) this.#problem(labelOf(kind, document), base, finding);
    return metadata;
  }

  #mistake(path: Path, resource: string, message: string): void {
    this.#problem(resource, [], { severity: 'error', path, message });
  }

  #problem(resource: string, base: Path, finding: Finding): void {
    this.problems.push(problemOf(finding, resource, this.#position([...base, ...finding.path], finding.atKey === true)));
  }

  #position(path: Path, atKey: boolean): Position {
    return positionAt(this.#text, locate(this.#text, path, atKey));
  }
}

function problemOf(finding: Finding, resource: string, position: Position): DocumentProblem {
  const { severity, path, message, code, unenforcedSecurity } = finding;
  return {
    severity,
    position,
    resource,
    path: renderPath(path),
    message,
    ...(code === undefined ? {} : { code }),
    ...(unenforcedSecurity === true ? { unenforcedSecurity } : {}),
  };
}

const nameless: Metadata = { name: 'nameless', namespace: 'default', labels: {}, annotations: {} };

/** `Kind namespace/name`; a cluster-scoped kind has no namespace. */
export function resourceLabel(kind: string, metadata: Pick<Metadata, 'name' | 'namespace'>): string {
  return metadata.namespace === '' ? `${kind} ${metadata.name}` : `${kind} ${metadata.namespace}/${metadata.name}`;
}

/** As much of the label as a broken resource has. */
function labelOf(kind: string, document: Readonly<Record<string, unknown>>): string {
  const metadata = isMap(document['metadata']) ? document['metadata'] : {};
  const { name, namespace } = metadata;
  if (typeof name !== 'string' || name === '') return kind;
  return `${kind} ${typeof namespace === 'string' && namespace !== '' ? namespace : 'default'}/${name}`;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
