/** Manifests as plain values: pods come in with any field Kubernetes has, and leave with the same ones. */

export type Json = null | boolean | number | string | readonly Json[] | JsonMap;

/** A map without fixed fields; an absent one reads as undefined. */
export interface JsonMap {
  readonly [key: string]: Json | undefined;
}

export function isMap(value: unknown): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The map below a field, or an empty one. */
export function mapAt(map: JsonMap | undefined, key: string): JsonMap {
  const value = map?.[key];
  return isMap(value) ? value : {};
}

/** The maps of a list below a field. */
export function mapsAt(map: JsonMap | undefined, key: string): readonly JsonMap[] {
  const value = map?.[key];
  return Array.isArray(value) ? value.filter(isMap) : [];
}

export function textAt(map: JsonMap | undefined, key: string): string | undefined {
  const value = map?.[key];
  return typeof value === 'string' ? value : undefined;
}

/** The same map, without the fields that are undefined. */
export function compact(map: JsonMap): JsonMap {
  return Object.fromEntries(Object.entries(map).filter(([, value]) => value !== undefined));
}
