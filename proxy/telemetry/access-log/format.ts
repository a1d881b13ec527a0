/** Access log formats compiled, once, into a list of writers: a line is then a run of string additions. */

import type { Stream } from '../../stream/stream.ts';
import { ISTIO_JSON_FORMAT, ISTIO_TEXT_FORMAT } from './default-format.ts';
import { escapeJson, escapeText } from './escape.ts';
import { createOperator, type Operator, type OperatorProblem } from './operators.ts';

/** One line for one completed stream, newline included. */
export type LineFormatter = (stream: Stream) => string;

export interface FormatProblem {
  readonly problem: string;
}

/**
 * TEXT: `format` is Envoy's format string, Istio's default when absent. JSON: a JSON object whose strings are format
 * strings, Istio's keys when absent. An operator that is not known, or that this proxy cannot fill, is a problem.
 */
export function compileFormat(encoding: 'TEXT' | 'JSON', format: string | undefined): LineFormatter | FormatProblem {
  const pieces = encoding === 'TEXT' ? textPieces(format ?? ISTIO_TEXT_FORMAT) : jsonPieces(format);
  return 'problem' in pieces ? pieces : joined(pieces);
}

type Writer = (stream: Stream) => string;
/** Constant text, or what writes a part of the line. */
type Piece = string | Writer;

function textPieces(format: string): readonly Piece[] | FormatProblem {
  const parts = parseFormat(format.endsWith('\n') ? format : `${format}\n`);
  return 'problem' in parts ? parts : parts.map((part) => (typeof part === 'string' ? part : encodeText(part)));
}

function jsonPieces(format: string | undefined): readonly Piece[] | FormatProblem {
  let template: unknown = ISTIO_JSON_FORMAT;
  if (format !== undefined) {
    try {
      template = JSON.parse(format);
    } catch (error) {
      return { problem: `the JSON access log format is not JSON: ${error instanceof Error ? error.message : String(error)}` };
    }
    if (typeof template !== 'object' || template === null || Array.isArray(template)) return { problem: 'the JSON access log format must be an object' };
  }
  const pieces: Piece[] = [];
  const problem = addJson(pieces, template, 0);
  pieces.push('\n');
  return problem ?? pieces;
}

const NESTING_LIMIT = 16;

/** Adds the pieces of one value of a JSON template, keys sorted as Envoy does. */
function addJson(pieces: Piece[], template: unknown, depth: number): FormatProblem | undefined {
  if (depth > NESTING_LIMIT) return { problem: `the JSON access log format is nested deeper than ${NESTING_LIMIT}` };
  if (typeof template === 'string') return addJsonString(pieces, template);
  if (typeof template !== 'object' || template === null) {
    pieces.push(JSON.stringify(template));
    return undefined;
  }
  const isList = Array.isArray(template);
  const entries: [string, unknown][] = isList ? template.map((item: unknown) => ['', item]) : Object.entries(template).sort(byKey);
  let separator = isList ? '[' : '{';
  for (const [key, value] of entries) {
    pieces.push(isList ? separator : `${separator}${JSON.stringify(key)}:`);
    separator = ',';
    const problem = addJson(pieces, value, depth + 1);
    if (problem !== undefined) return problem;
  }
  pieces.push(`${entries.length === 0 ? separator : ''}${isList ? ']' : '}'}`);
  return undefined;
}

/** A string that is one operator keeps the operator's type; any other is text with `-` for what is missing. */
function addJsonString(pieces: Piece[], format: string): FormatProblem | undefined {
  const parts = parseFormat(format);
  if ('problem' in parts) return parts;
  const [only] = parts;
  if (parts.length === 1 && only !== undefined && typeof only !== 'string') {
    pieces.push(encodeJson(only));
    return undefined;
  }
  pieces.push('"');
  for (const part of parts) pieces.push(typeof part === 'string' ? JSON.stringify(part).slice(1, -1) : encodeJsonText(part));
  pieces.push('"');
  return undefined;
}

function byKey([left]: [string, unknown], [right]: [string, unknown]): number {
  return left < right ? -1 : 1;
}

/** `%NAME%`, `%NAME(ARGUMENT)%`, `%NAME(ARGUMENT):LENGTH%`; an argument may hold `%` (START_TIME) but no bracket. */
const OPERATOR = /%([A-Z0-9_]+)(?:\(([^()]*)\))?(?::(\d+))?%/y;

/** Literal text and operators in order, `%%` resolved. */
function parseFormat(format: string): (string | Operator)[] | FormatProblem {
  const parts: (string | Operator)[] = [];
  let literal = '';
  for (let i = 0; i < format.length; ) {
    const percent = format.indexOf('%', i);
    literal += format.slice(i, percent < 0 ? format.length : percent);
    if (percent < 0) break;
    if (format.charAt(percent + 1) === '%') {
      literal += '%';
      i = percent + 2;
      continue;
    }
    OPERATOR.lastIndex = percent;
    const found = OPERATOR.exec(format);
    if (found === null) return { problem: `a % must begin an operator such as %PROTOCOL%, or be doubled (%%), at ${JSON.stringify(format.slice(percent, percent + 20))}` };
    const operator = operatorOf(found);
    if ('problem' in operator) return operator;
    if (literal !== '') parts.push(literal);
    literal = '';
    parts.push(operator);
    i = percent + found[0].length;
  }
  if (literal !== '') parts.push(literal);
  return parts;
}

function operatorOf([, name = '', argument, length]: RegExpExecArray): Operator | OperatorProblem {
  return createOperator(name, argument, length === undefined ? undefined : Number(length));
}

function encodeText(operator: Operator): Writer {
  if (operator.kind === 'number') return numberWriter(operator.read, '-');
  const { read } = operator;
  return operator.plain ? (stream) => read(stream) ?? '-' : escapingWriter(read, escapeText, '-');
}

function encodeJson(operator: Operator): Writer {
  if (operator.kind === 'number') return numberWriter(operator.read, 'null');
  const { read } = operator;
  if (!operator.plain) return escapingWriter(read, quoteJson, 'null');
  return (stream) => {
    const value = read(stream);
    return value === undefined ? 'null' : `"${value}"`;
  };
}

function encodeJsonText(operator: Operator): Writer {
  return operator.kind === 'number' ? numberWriter(operator.read, '-') : escapingWriter(operator.read, escapeJson, '-');
}

function quoteJson(value: string): string {
  return `"${escapeJson(value)}"`;
}

function numberWriter(read: (stream: Stream) => number, missing: string): Writer {
  return (stream) => {
    const value = read(stream);
    return value < 0 ? missing : `${value}`;
  };
}

/** Keeps the last answer: many requests in a row carry the same host, client or reason. */
function escapingWriter(read: (stream: Stream) => string | undefined, escape: (value: string) => string, missing: string): Writer {
  let lastValue = '';
  let lastText = escape('');
  return (stream) => {
    const value = read(stream);
    if (value === undefined) return missing;
    if (value !== lastValue) {
      lastValue = value;
      lastText = escape(value);
    }
    return lastText;
  };
}

/** Adjacent constants become one; then each step is a constant and what follows it. */
function joined(pieces: readonly Piece[]): LineFormatter {
  const constants: string[] = [''];
  const writers: Writer[] = [];
  for (const piece of pieces) {
    if (typeof piece === 'string') constants[constants.length - 1] += piece;
    else {
      writers.push(piece);
      constants.push('');
    }
  }
  const end = constants.pop() ?? '';
  return (stream) => {
    let line = '';
    for (let i = 0; i < writers.length; i++) line += (constants[i] as string) + (writers[i] as Writer)(stream);
    return line + end;
  };
}
