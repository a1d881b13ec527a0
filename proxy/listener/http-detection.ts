/**
 * Whether plain bytes are HTTP: a request line, or the HTTP/2 preface (Envoy's http_inspector, proxy-semantics.md A.18).
 * It waits for the end of the line, unless the bytes cannot even be a method.
 */

/** `none`: not HTTP. `http/1.0` stands for every version but 1.1, as in Envoy; Istio has chains for neither. */
export type HttpOutcome = 'more' | 'none' | 'http/1.1' | 'http/1.0' | 'h2c';

/** A request line is looked for in so many bytes; Envoy waits for ever. */
export const DETECTION_LIMIT_BYTES = 64 * 1024;

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const LINE_FEED = 0x0a;

/** A method so far, or a whole one with what follows it. */
const METHOD_START = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]|$)/;
/** As much of a method is looked at before its line has ended. */
const METHOD_BYTES = 64;

/** Method, target and version of any case the codec will judge; a missing version is HTTP/0.9's. */
const REQUEST_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]+([^ \t]+)(?:[ \t]+(\S+))?\s*$/;
const PATH = /^[/*][\0-\x7e]*$/;
const ABSOLUTE = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^"<>\\^`{|}\x7f-\xff]*$/;
const VERSION = /^HTTP\/\d\.\d$/;

/** `bytes`: everything received so far; `from`: where the bytes begin that were not looked at before. */
export function detectHttp(bytes: Buffer, from: number): HttpOutcome {
  if (bytes.length === 0) return 'more';
  if (bytes.compare(PREFACE, 0, Math.min(bytes.length, PREFACE.length), 0, Math.min(bytes.length, PREFACE.length)) === 0) {
    return bytes.length < PREFACE.length ? 'more' : 'h2c';
  }
  // What began as the preface may have passed its line ends over.
  const end = bytes.indexOf(LINE_FEED, from < PREFACE.length ? 0 : from);
  if (end < 0) return bytes.length < DETECTION_LIMIT_BYTES && mayBeMethod(bytes) ? 'more' : 'none';
  return requestLineVersion(bytes.latin1Slice(0, end));
}

function mayBeMethod(bytes: Buffer): boolean {
  return METHOD_START.test(bytes.latin1Slice(0, Math.min(METHOD_BYTES, bytes.length)));
}

function requestLineVersion(line: string): HttpOutcome {
  const [, method, target, version] = REQUEST_LINE.exec(line) ?? [];
  if (method === undefined || target === undefined) return 'none';
  const valid = PATH.test(target) || (method === 'CONNECT' ? /^[\0-\x7e]+$/.test(target) : ABSOLUTE.test(target));
  if (!valid) return 'none';
  if (version === 'HTTP/1.1') return 'http/1.1';
  return version === undefined || VERSION.test(version) ? 'http/1.0' : 'none';
}
