/**
 * A container named istio-proxy whose image is `auto` (or absent) is no proxy but what the author of the pod wants of the
 * injected one: Istio's way to set what no annotation sets.
 */

import type { Json, JsonMap } from './json.ts';
import { isMap, mapsAt } from './json.ts';
import { PROXY_CONTAINER } from './policy-names.ts';

export function isCustomisation({ name, image }: JsonMap): boolean {
  return name === PROXY_CONTAINER && (image === undefined || image === null || image === 'auto');
}

/** The proxy's container with the author's fields over ours: maps field by field, lists of named things by name, other lists whole. */
export function customised(proxy: JsonMap, spec: JsonMap): JsonMap {
  const wish = [...mapsAt(spec, 'initContainers'), ...mapsAt(spec, 'containers')].find(isCustomisation);
  if (wish === undefined) return proxy;
  const { image, ...fields } = wish;
  void image;
  return overlay(proxy, fields);
}

/** The list without the wish, which is no container. */
export function withoutCustomisation(containers: readonly JsonMap[]): readonly JsonMap[] {
  return containers.filter((container) => !isCustomisation(container));
}

function overlay(ours: JsonMap, theirs: JsonMap): JsonMap {
  const result: Record<string, Json | undefined> = { ...ours };
  for (const [key, value] of Object.entries(theirs)) {
    const current = ours[key];
    if (isMap(current) && isMap(value)) result[key] = overlay(current, value);
    else if (areNamed(current) && areNamed(value)) result[key] = overlayNamed(current, value);
    else result[key] = value;
  }
  return result;
}

function overlayNamed(ours: readonly JsonMap[], theirs: readonly JsonMap[]): readonly JsonMap[] {
  const changed = ours.map((item) => theirs.find(({ name }) => name === item['name']) ?? item);
  return [...changed, ...theirs.filter(({ name }) => ours.every((item) => item['name'] !== name))];
}

function areNamed(value: Json | undefined): value is readonly JsonMap[] {
  return Array.isArray(value) && value.every((item) => isMap(item) && typeof item['name'] === 'string');
}
