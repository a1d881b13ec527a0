/** Stands in for the kubelet: starts the proxy of an injected pod as its container says, with volumes and variables in place. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonMap } from '../../config/inject/json.ts';
import { isMap, mapAt, mapsAt, textAt } from '../../config/inject/json.ts';
import { readDocument } from '../../config/load/reader.ts';
import { outrider } from './command.ts';
import { Proxy } from './proxy.ts';
import type { TestScope } from './scope.ts';

export interface InjectedPod {
  /** A Pod, or the template of one. */
  readonly pod: JsonMap;
  readonly proxy: JsonMap;
  container(name: string): JsonMap;
}

/** `outrider inject` on one Pod; rejects unless it is injected. */
export async function injectPod(manifest: string, args: readonly string[] = []): Promise<InjectedPod> {
  const { code, stdout, stderr } = await outrider(['inject', '-f', '-', '--certs-secret', 'off', ...args], { stdin: manifest });
  const read = readDocument(stdout);
  if (code !== 0 || !('value' in read) || !isMap(read.value)) throw new Error(`inject: exit ${code}\n${stderr}`);
  return injectedPod(read.value);
}

/** A pod, or the template of one, that has a proxy's container. */
export function injectedPod(pod: JsonMap): InjectedPod {
  const spec = mapAt(pod, 'spec');
  const container = (name: string): JsonMap => {
    const found = [...mapsAt(spec, 'containers'), ...mapsAt(spec, 'initContainers')].find((candidate) => candidate['name'] === name);
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
  };
  return { pod, proxy: container('istio-proxy'), container };
}

export interface PodRun {
  /** Files of the ConfigMap. */
  readonly config: Readonly<Record<string, string>>;
  /** The pod's address. */
  readonly ip?: string;
  /** A folder of the test's own. */
  readonly folder: string;
  /** After the container's own arguments. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Options of the container that are left out, with their values. */
  readonly without?: readonly string[];
}

/** Ports are free ones, for pods of several tests share this machine. */
export async function startPod(t: TestScope, { pod, proxy }: InjectedPod, run: PodRun): Promise<Proxy> {
  const mounts = mountVolumes(pod, proxy, run);
  const placed = (text: string): string => mounts.reduce((path, [from, to]) => (path === from || path.startsWith(`${from}/`) ? `${to}${path.slice(from.length)}` : path), text);
  const words = (Array.isArray(proxy['args']) ? proxy['args'] : []).map(String);
  if (words.shift() !== 'run') throw new Error('the container does not run the proxy');
  for (const flag of ['--health-port', ...(run.without ?? [])]) {
    const at = words.indexOf(flag);
    if (at !== -1) words.splice(at, 2);
  }
  const env = Object.fromEntries(mapsAt(proxy, 'env').map((variable) => [String(textAt(variable, 'name')), placed(valueOf(variable, pod, run))]));
  // This machine has no rules that redirect.
  return Proxy.start(t, { args: [...words.map(placed), ...(run.args ?? [])], env: { ...env, OUTRIDER_INTERCEPTION: 'none', ...run.env } });
}

/** Folder in the container to folder on this machine. */
function mountVolumes(pod: JsonMap, proxy: JsonMap, run: PodRun): readonly (readonly [string, string])[] {
  const volumes = new Map(mapsAt(mapAt(pod, 'spec'), 'volumes').map((volume) => [volume['name'], volume]));
  return mapsAt(proxy, 'volumeMounts').map((mount) => {
    const name = textAt(mount, 'name') ?? '';
    const folder = join(run.folder, name);
    mkdirSync(folder, { recursive: true });
    const volume = volumes.get(name);
    if (volume === undefined) throw new Error(`no volume ${name}`);
    if (isMap(volume['configMap'])) for (const [file, text] of Object.entries(run.config)) writeFileSync(join(folder, file), text);
    if (isMap(volume['downwardAPI'])) writeFileSync(join(folder, 'labels'), downward(mapAt(mapAt(pod, 'metadata'), 'labels')));
    return [textAt(mount, 'mountPath') ?? '', folder] as const;
  });
}

function downward(labels: JsonMap): string {
  return Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}\n`).join('');
}

function valueOf(variable: JsonMap, pod: JsonMap, run: PodRun): string {
  const path = textAt(mapAt(mapAt(variable, 'valueFrom'), 'fieldRef'), 'fieldPath');
  const metadata = mapAt(pod, 'metadata');
  switch (path) {
    case undefined:
      return textAt(variable, 'value') ?? '';
    case 'metadata.name':
      return textAt(metadata, 'name') ?? '';
    case 'metadata.namespace':
      return textAt(metadata, 'namespace') ?? 'default';
    case 'status.podIP':
      return run.ip ?? '127.0.0.1';
    case 'spec.serviceAccountName':
      return textAt(mapAt(pod, 'spec'), 'serviceAccountName') ?? 'default';
    default:
      throw new Error(`no field ${path}`);
  }
}
