/** The mesh configuration: a YAML document inside the key `mesh` of the ConfigMap istio-system/istio. */

import type { Finding, Path } from '../resources/finding.ts';
import { runSchema } from '../resources/kind.ts';
import type { MeshConfigSpec } from '../resources/mesh-config.ts';
import { meshConfig } from '../resources/mesh-config.ts';
import type { Position } from './position.ts';
import { positionAt } from './position.ts';
import { locate, readDocument } from './reader.ts';

type Document = Readonly<Record<string, unknown>>;

/** A finding with its place: the inner document's positions are not the ConfigMap's. */
export interface MeshFinding extends Finding {
  readonly position: Position;
}

/** Istio's own name and namespace for it; other ConfigMaps are none of a data plane's business. */
export function isMeshConfigMap(document: Document): boolean {
  const metadata = document['metadata'] as Document | null | undefined;
  return typeof metadata === 'object' && metadata !== null && metadata['name'] === 'istio' && metadata['namespace'] === 'istio-system';
}

/** Paths of findings start at the mesh document's root. `text` is the document that holds the ConfigMap at `base`. */
export function parseMeshConfigMap(document: Document, text: string, base: Path): { readonly body: MeshConfigSpec | undefined; readonly findings: readonly MeshFinding[] } {
  const inner = meshText(document);
  if (inner === undefined) {
    const position = positionAt(text, locate(text, [...base, 'data'], false));
    return { body: undefined, findings: [{ severity: 'warning', path: [], position, message: 'has no key "mesh" under data: the mesh configuration is at its defaults' }] };
  }
  const result = readDocument(inner);
  if ('problems' in result) {
    const findings = result.problems.map(({ offset, message }): MeshFinding => {
      return { severity: 'error', path: [], message, position: placeIn(text, base, inner, offset) };
    });
    return { body: undefined, findings };
  }
  const { value, findings } = runSchema(meshConfig, result.value ?? {}, []);
  const placed = findings.map((finding) => ({ ...finding, position: placeIn(text, base, inner, locate(inner, finding.path, finding.atKey === true)) }));
  return { body: findings.some((finding) => finding.severity === 'error') ? undefined : value, findings: placed };
}

/** Position of a path of the mesh document, counted from the start of the outer document's text. */
export function locateInMesh(text: string, base: Path, path: Path): Position {
  const outer = readDocument(text);
  const inner = 'value' in outer ? meshText(base.reduce<unknown>((value, step) => (value as Record<string | number, unknown>)[step], outer.value) as Document) : undefined;
  return inner === undefined ? positionAt(text, locate(text, base, false)) : placeIn(text, base, inner, locate(inner, path, false));
}

function meshText(document: Document): string | undefined {
  const entries = document['data'] as Document | null | undefined;
  const inner = typeof entries === 'object' && entries !== null ? entries['mesh'] : undefined;
  return typeof inner === 'string' ? inner : undefined;
}

/** In a `|` block the inner lines are lines of the file; in a quoted text they are not, and its beginning has to do. */
function placeIn(text: string, base: Path, inner: string, offset: number): Position {
  const at = locate(text, [...base, 'data', 'mesh'], false);
  const start = positionAt(text, at);
  if (text[at] !== '|') return start;
  const { line, column } = positionAt(inner, offset);
  const indent = /^[^\n]*\n\s*?( *)\S/.exec(text.slice(at))?.[1]?.length ?? 0;
  return { line: start.line + line, column: column + indent };
}
