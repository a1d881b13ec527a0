/** Header values with Envoy's %OPERATORS%: pure parsing, so that configuration is checked by the rule the data path runs. */

import { timeFormatProblem } from './time-format.ts';

/** Whether an operator takes `(ARGUMENT)`. */
type ArgumentRule = 'none' | 'optional' | 'required';

/** The operators a header value may hold (Envoy: substitution format), each read in `proxy/router/header-operators.ts`. */
const ARGUMENTS = {
  BYTES_RECEIVED: 'none',
  BYTES_SENT: 'none',
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: 'none',
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: 'none',
  DOWNSTREAM_LOCAL_ADDRESS: 'none',
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: 'none',
  DOWNSTREAM_LOCAL_PORT: 'none',
  DOWNSTREAM_LOCAL_SUBJECT: 'none',
  DOWNSTREAM_LOCAL_URI_SAN: 'none',
  DOWNSTREAM_PEER_CERT: 'none',
  DOWNSTREAM_PEER_FINGERPRINT_256: 'none',
  DOWNSTREAM_PEER_ISSUER: 'none',
  DOWNSTREAM_PEER_SERIAL: 'none',
  DOWNSTREAM_PEER_SUBJECT: 'none',
  DOWNSTREAM_PEER_URI_SAN: 'none',
  DOWNSTREAM_REMOTE_ADDRESS: 'none',
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: 'none',
  DOWNSTREAM_REMOTE_PORT: 'none',
  DOWNSTREAM_TLS_CIPHER: 'none',
  DOWNSTREAM_TLS_VERSION: 'none',
  DURATION: 'none',
  ENVIRONMENT: 'required',
  HOSTNAME: 'none',
  PROTOCOL: 'none',
  QUERY_PARAM: 'required',
  REQ: 'required',
  REQUESTED_SERVER_NAME: 'none',
  RESP: 'required',
  RESPONSE_CODE: 'none',
  RESPONSE_CODE_DETAILS: 'none',
  RESPONSE_FLAGS: 'none',
  ROUTE_NAME: 'none',
  START_TIME: 'optional',
  UPSTREAM_CLUSTER: 'none',
  UPSTREAM_CLUSTER_RAW: 'none',
  UPSTREAM_HOST: 'none',
  UPSTREAM_LOCAL_ADDRESS: 'none',
  UPSTREAM_REMOTE_ADDRESS: 'none',
  UPSTREAM_REQUEST_ATTEMPT_COUNT: 'none',
  VIRTUAL_CLUSTER_NAME: 'none',
} as const satisfies Record<string, ArgumentRule>;

export type HeaderOperator = keyof typeof ARGUMENTS;

/** Literal text, or an operator with what stood in its brackets and after its colon. */
export type FormatPiece = string | { readonly operator: HeaderOperator; readonly argument: string; readonly maxLength: number };

/** `%NAME%`, `%NAME(ARGUMENT)%`, `%NAME(ARGUMENT):LENGTH%`, as Envoy's formatter reads it. */
const OPERATOR = /%([A-Z0-9_]+)(?:\(([^)]*)\))?(?::(\d+))?%/y;

/** The pieces of `value`, `%%` resolved; or a sentence that says what is wrong with it. */
export function parseHeaderFormat(value: string): readonly FormatPiece[] | { readonly problem: string } {
  const pieces: FormatPiece[] = [];
  let literal = '';
  for (let i = 0; i < value.length; ) {
    const percent = value.indexOf('%', i);
    literal += value.slice(i, percent === -1 ? value.length : percent);
    if (percent === -1) break;
    if (value.charAt(percent + 1) === '%') {
      literal += '%';
      i = percent + 2;
      continue;
    }
    OPERATOR.lastIndex = percent;
    const found = OPERATOR.exec(value);
    if (found === null) return { problem: `a % must begin an operator such as %PROTOCOL%, or be doubled (%%), at ${JSON.stringify(value.slice(percent, percent + 20))}` };
    const [text, name = '', argument, maxLength] = found;
    const problem = operatorProblem(name, argument, maxLength);
    if (problem !== undefined) return { problem };
    if (literal !== '') pieces.push(literal);
    literal = '';
    pieces.push({ operator: name as HeaderOperator, argument: argument ?? '', maxLength: maxLength === undefined ? Infinity : Number(maxLength) });
    i = percent + text.length;
  }
  if (literal !== '') pieces.push(literal);
  return pieces;
}

/** Why `value` cannot be a header value, or undefined: an unknown operator, a lone `%`, a control character. */
export function validateHeaderValueFormat(value: string): string | undefined {
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(value)) return 'control characters cannot be sent in a header';
  const parsed = parseHeaderFormat(value);
  return 'problem' in parsed ? parsed.problem : undefined;
}

function operatorProblem(name: string, argument: string | undefined, maxLength: string | undefined): string | undefined {
  if (!isOperator(name)) return `%${name}% is not an operator that can be used in a header`;
  const rule = ARGUMENTS[name];
  if (rule === 'none' && argument !== undefined) return `%${name}% takes no argument`;
  if (rule === 'required' && (argument === undefined || argument.trim() === '')) return `%${name}% needs an argument: %${name}(NAME)%`;
  if (maxLength === '0') return `the length of %${name}% must be at least 1`;
  return name === 'START_TIME' ? timeFormatProblem(argument ?? '') : undefined;
}

function isOperator(name: string): name is HeaderOperator {
  return Object.hasOwn(ARGUMENTS, name);
}
