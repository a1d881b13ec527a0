/** Files to a Snapshot, remembering what each document's text came to: a reload pays only for the texts that changed. */

import type { Path } from '../resources/finding.ts';
import type { CollectionName } from '../resources/index.ts';
import { collectionNames } from '../resources/index.ts';
import type { Problem } from '../runtime/problem.ts';
import type { DocumentProblem, ParsedDocument, ParsedResource } from './document.ts';
import { parseDocument, resourceLabel } from './document.ts';
import type { SourceFile } from './files.ts';
import { defaultFileLimit, readSources, readStandardInput } from './files.ts';
import { locateInMesh } from './mesh.ts';
import type { Position } from './position.ts';
import { positionAt } from './position.ts';
import type { DocumentText } from './split.ts';
import { splitDocuments, splitList } from './split.ts';
import type { Resource, ResourceSource, Snapshot } from './types.ts';
import { locate } from './reader.ts';

export interface LoaderOptions {
  /** Content of standard input for the path `-`; by default it is read from there. Asked for once. */
  readonly stdin?: () => string;
  /** Larger files are refused; default 64 MiB. */
  readonly fileLimitBytes?: number;
}

export interface Loader {
  /**
   * Reads every file again, parses the documents whose text is new. A resource whose text, file and place did not
   * change is the same object as in the load before. Never throws: whatever is wrong is in `problems`.
   */
  load(paths: readonly string[]): Snapshot;
}

/** A loader with its own memory (about twice the size of the files). */
export function createLoader(options: LoaderOptions = {}): Loader {
  return new CachingLoader(options);
}

interface Remembered {
  readonly document: ParsedDocument;
  /** Its own copy: a slice would keep the whole file's text alive. */
  readonly text: string;
  /** As last handed out, with the place it was handed out for. */
  placed: { readonly place: string; readonly resources: readonly Resource<unknown>[] } | undefined;
}

class CachingLoader implements Loader {
  readonly #limitBytes: number;
  readonly #readStdin: () => Buffer;
  /** It can be read only once. */
  #stdin: Buffer | undefined;
  #remembered: ReadonlyMap<string, Remembered> = new Map();

  constructor(options: LoaderOptions) {
    const { stdin, fileLimitBytes = defaultFileLimit } = options;
    this.#limitBytes = fileLimitBytes;
    this.#readStdin = stdin === undefined ? () => readStandardInput(fileLimitBytes) : () => Buffer.from(stdin());
  }

  load(paths: readonly string[]): Snapshot {
    const stdin = (): Buffer => (this.#stdin ??= this.#readStdin());
    const builder = new SnapshotBuilder();
    const reader = new DocumentReader(this.#remembered);
    for (const source of readSources(paths, { limitBytes: this.#limitBytes, stdin })) {
      if (!('text' in source)) builder.problems([source]);
      else {
        if (source.name !== '-' && source.text.trim() === '') builder.problems([emptyFile(source.name)]);
        readFile(source, reader, builder);
      }
    }
    this.#remembered = reader.used;
    return builder.finish();
  }
}

/** A file that is being rewritten is empty for a moment; serving without what it holds would lose requests. */
function emptyFile(file: string): Problem {
  const message = 'the file is empty; delete it, or put a comment in it if that is meant';
  return { severity: 'error', file, line: 1, column: 1, resource: '', path: '', message };
}

/** Texts to parsed documents, out of what the last load remembered where possible. */
class DocumentReader {
  /** What this load came across: the memory of the next. */
  readonly used = new Map<string, Remembered>();
  readonly #last: ReadonlyMap<string, Remembered>;

  constructor(last: ReadonlyMap<string, Remembered>) {
    this.#last = last;
  }

  read(text: string): Remembered {
    const known = this.used.get(text) ?? this.#last.get(text);
    if (known !== undefined) {
      this.used.set(known.text, known);
      return known;
    }
    const copy = Buffer.from(text).toString();
    const fresh: Remembered = { document: parseDocument(copy), text: copy, placed: undefined };
    this.used.set(copy, fresh);
    return fresh;
  }
}

function readFile(file: SourceFile, reader: DocumentReader, builder: SnapshotBuilder): void {
  const problems: Problem[] = [];
  for (const document of splitDocuments(file.text)) {
    for (const part of itemsOf(document, reader)) {
      for (const problem of builder.add(file.name, part, reader.read(part.text))) problems.push(problem);
    }
  }
  builder.problems(problems.sort((a, b) => a.line - b.line || a.column - b.column));
}

/** The items of a `kind: List` one by one, so that each is remembered on its own; else the document itself. */
function itemsOf(document: DocumentText, reader: DocumentReader): readonly DocumentText[] {
  const list = splitList(document.text);
  if (list === undefined) return [document];
  const frame = reader.read(list.rest).document;
  if (!frame.isList || frame.problems.length > 0 || frame.resources.length > 0) return [document];
  return list.items.map((item) => ({ text: item.text, ...within(document, item) }));
}

/** Position inside a document text to the position in the file. */
function within(document: DocumentText, position: Position): Position {
  const column = position.line === 1 ? document.column + position.column - 1 : position.column;
  return { line: document.line + position.line - 1, column };
}

type Collections = { -readonly [Name in CollectionName]: Snapshot[Name][number][] };

/** Gathers one load's resources and problems; finds resources that are defined twice. */
class SnapshotBuilder {
  readonly #collections = {} as Collections;
  readonly #problems: Problem[] = [];
  readonly #skipped = new Map<string, number>();
  /** By collection and full name. */
  readonly #defined = new Map<string, ResourceSource>();
  #meshConfig: Snapshot['meshConfig'];

  constructor() {
    for (const name of collectionNames) this.#collections[name] = [];
  }

  problems(problems: readonly Problem[]): void {
    for (const problem of problems) this.#problems.push(problem);
  }

  /** Takes a document's resources; returns the problems, which the caller puts in order. */
  add(file: string, part: DocumentText, remembered: Remembered): readonly Problem[] {
    const { problems, resources, skipped } = remembered.document;
    for (const name of skipped) this.#skipped.set(name, (this.#skipped.get(name) ?? 0) + 1);
    const found = problems.map((problem) => problemIn(file, part, problem));
    for (const [index, resource] of placeResources(file, part, remembered).entries()) {
      const duplicate = this.#resource(resources[index]!, resource);
      if (duplicate !== undefined) found.push(duplicate);
    }
    return found;
  }

  #resource(parsed: ParsedResource, resource: Resource<unknown>): Problem | undefined {
    const { source } = resource;
    const key = `${parsed.collection} ${source.resource}`;
    const first = this.#defined.get(key);
    if (first !== undefined) return definedTwice(source, first);
    this.#defined.set(key, source);
    if (parsed.collection === 'meshConfig') this.#meshConfig = resource as Resource<typeof parsed.body>;
    else (this.#collections[parsed.collection] as Resource<unknown>[]).push(resource);
    return undefined;
  }

  finish(): Snapshot {
    return { ...this.#collections, meshConfig: this.#meshConfig, skipped: Object.fromEntries(this.#skipped), problems: this.#problems };
  }
}

function definedTwice(source: ResourceSource, first: ResourceSource): Problem {
  const message = `is defined twice; the first is at ${first.file}:${first.line}; remove or rename one`;
  return { severity: 'error', file: source.file, ...source.locate([]), resource: source.resource, path: '', message };
}

function problemIn(file: string, part: DocumentText, { position, ...problem }: DocumentProblem): Problem {
  return { ...problem, file, ...within(part, position) };
}

/** The same objects as last time where nothing moved, so that a compile may compare by identity. */
function placeResources(file: string, part: DocumentText, remembered: Remembered): readonly Resource<unknown>[] {
  const place = `${part.line}:${part.column}:${file}`;
  if (remembered.placed?.place !== place) {
    const resources = remembered.document.resources.map((parsed) => placeResource(file, part, remembered.text, parsed));
    remembered.placed = { place, resources };
  }
  return remembered.placed.resources;
}

function placeResource(file: string, part: DocumentText, text: string, parsed: ParsedResource): Resource<unknown> {
  const { kind, metadata, body } = parsed;
  const resource = resourceLabel(kind, metadata);
  const { line } = within(part, parsed.position);
  const locateHere = (path: Path): Position => within(part, positionOf(text, parsed, path));
  return { kind, metadata, spec: body, source: { resource, file, line, locate: locateHere } };
}

function positionOf(text: string, parsed: ParsedResource, path: Path): Position {
  if (path.length === 0) return parsed.position;
  if (parsed.collection === 'meshConfig') return locateInMesh(text, parsed.base, path);
  return positionAt(text, locate(text, [...parsed.base, ...path], false));
}
