/** Chunked bodies: strict sizes, line ends, extensions and trailers, whatever the boundaries of the reads (D.2 rows 9 to 13). */

import fc from 'fast-check';
import t from 'tap';
import { ChunkedReader, type BodySink } from '../../../../proxy/codec/http1/chunked-reader.ts';

class Recorder implements BodySink {
  text = '';
  trailers: string[] | undefined;
  ended = 0;

  onBody(bytes: Buffer, start: number, end: number): void {
    this.text += bytes.toString('latin1', start, end);
  }

  onBodyEnd(trailers: string[] | undefined): void {
    this.trailers = trailers;
    this.ended++;
  }
}

/** Feeds `input` in pieces of `size`; what came out, how much was consumed, or the error. */
function read(input: string, size = input.length): { recorder: Recorder; consumed: number; error: string | undefined } {
  const reader = new ChunkedReader();
  reader.reset();
  const recorder = new Recorder();
  const bytes = Buffer.from(input, 'latin1');
  let consumed = 0;
  for (let i = 0; i < bytes.length && !reader.done; i += size) {
    const end = Math.min(bytes.length, i + size);
    const next = reader.read(bytes, i, end, recorder);
    if (next < 0) return { recorder, consumed, error: `${reader.error.status} ${reader.error.details}` };
    consumed = next;
  }
  return { recorder, consumed, error: undefined };
}

t.test('decodes, in reads of any size', (t) => {
  const input = '5\r\nhello\r\n6;name="v"\r\n world\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\nHost: evil\r\nContent-Length: 3\r\n\r\n';
  for (const size of [1, 2, 3, 7, input.length]) {
    const { recorder, consumed, error } = read(`${input}GET /next`, size);
    t.equal(error, undefined);
    t.equal(recorder.text, 'hello world0123456789');
    t.same(recorder.trailers, ['x-sum', '1'], 'forbidden trailers are dropped');
    t.equal(recorder.ended, 1);
    t.equal(consumed, input.length, `reads of ${size}: nothing behind the body is consumed`);
  }
  t.equal(read('0\r\n\r\n').recorder.ended, 1);
  t.end();
});

const BAD: readonly (readonly [name: string, input: string, expected?: string])[] = [
  ...['0_2e', '0x10', '+1', '-1', '', ' 5', '5 ', '5 5', '5 x', '12345678901234567', 'G'].map((size) => [`row 9: size ${size}`, `${size}\r\nabcde\r\n0\r\n\r\n`] as const),
  ['row 10: CR in extension', '2\r\r;a\r\nab\r\n0\r\n\r\n'],
  ['row 10: bare LF ends extension', '2;a\nab\r\n0\r\n\r\n'],
  ['row 10: NUL in extension', '2;a\0\r\nab\r\n0\r\n\r\n'],
  ['row 10: extensions without end', `2;${'a'.repeat(20_000)}\r\nab\r\n0\r\n\r\n`, '400 http1.chunk_extension_too_large'],
  ['row 11: data without CRLF', '5\r\nhelloXX0\r\n\r\n'],
  ['row 11: bare LF behind data', '5\r\nhello\n0\r\n\r\n'],
  ['row 11: longer data', '3\r\nhello\r\n0\r\n\r\n'],
  ['bare LF behind size', '5\nhello\r\n0\r\n\r\n'],
  ['row 12: 10,000 trailers', `0\r\n${'a: b\r\n'.repeat(10_000)}\r\n`, '431 http1.too_many_headers'],
  ['row 12: a trailer without end', `0\r\na: ${'b'.repeat(70_000)}`, '431 http1.headers_too_large'],
  ['trailer with bare LF', '0\r\na: b\nc: d\r\n\r\n'],
  ['trailer without name', '0\r\n: b\r\n\r\n'],
];

t.test('refuses', (t) => {
  for (const [name, input, expected = '400 http1.codec_error'] of BAD) {
    t.equal(read(input).error, expected, name);
    const split = read(input, 1);
    t.ok(split.error !== undefined && split.recorder.ended === 0, `${name}, byte by byte`);
  }
  t.end();
});

t.test('what goes in comes out, and reads do not matter', (t) => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1, maxLength: 40 }), { maxLength: 8 }), fc.integer({ min: 1, max: 50 }), (chunks, size) => {
      const latin = chunks.map((chunk) => Buffer.from(chunk, 'utf8').toString('latin1'));
      const input = `${latin.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')}0\r\n\r\n`;
      const { recorder, consumed, error } = read(input, size);
      return error === undefined && recorder.text === latin.join('') && recorder.ended === 1 && consumed === input.length;
    }),
    { numRuns: 500 },
  );
  t.end();
});
