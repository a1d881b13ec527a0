/** %OPERATORS% in header values, and time patterns. */

import t from 'tap';
import { parseHeaderFormat, validateHeaderValueFormat } from '../../../../proxy/base/header-format.ts';
import { createTimeFormat, timeFormatProblem } from '../../../../proxy/base/time-format.ts';

t.test('pieces', (t) => {
  const plain = { argument: '', maxLength: Infinity };
  t.strictSame(parseHeaderFormat('plain'), ['plain']);
  t.strictSame(parseHeaderFormat(''), []);
  t.strictSame(parseHeaderFormat('100%%'), ['100%']);
  t.strictSame(parseHeaderFormat('%%PROTOCOL%%'), ['%PROTOCOL%']);
  t.strictSame(parseHeaderFormat('a%PROTOCOL%b%%'), ['a', { operator: 'PROTOCOL', ...plain }, 'b%']);
  t.strictSame(parseHeaderFormat('%REQ(x-a?:path):12%'), [{ operator: 'REQ', argument: 'x-a?:path', maxLength: 12 }]);
  t.strictSame(parseHeaderFormat('%START_TIME(%Y-%m)%'), [{ operator: 'START_TIME', argument: '%Y-%m', maxLength: Infinity }]);
  t.end();
});

t.test('reasons', (t) => {
  const table: readonly (readonly [value: string, reason: RegExp])[] = [
    ['50%', /doubled \(%%\), at "%"/],
    ['% x', /must begin an operator/],
    ['%protocol%', /must begin an operator/],
    ['%NOPE%', /%NOPE% is not an operator/],
    ['%toString%', /must begin an operator/],
    ['%CONSTRUCTOR%', /is not an operator/],
    ['%DYNAMIC_METADATA(x)%', /%DYNAMIC_METADATA% is not an operator/],
    ['%PROTOCOL(x)%', /%PROTOCOL% takes no argument/],
    ['%REQ%', /%REQ% needs an argument/],
    ['%REQ()%', /%REQ% needs an argument/],
    ['%REQ(a):0%', /at least 1/],
    ['%START_TIME(%Q)%', /%Q is not a time conversion/],
    ['a\r\nb', /control characters/],
    ['a\0', /control characters/],
    ['\x7f', /control characters/],
  ];
  for (const [value, reason] of table) t.match(validateHeaderValueFormat(value), reason, JSON.stringify(value));
  for (const value of ['', 'a\tb', 'é', '%HOSTNAME%', '%START_TIME(%s.%3f)%', '%REQ(:path)%', '100%%']) t.equal(validateHeaderValueFormat(value), undefined, JSON.stringify(value));
  t.end();
});

t.test('time patterns, always UTC', (t) => {
  const at = Date.UTC(2026, 0, 9, 4, 5, 6, 78);
  const table: readonly (readonly [pattern: string, text: string])[] = [
    ['', '2026-01-09T04:05:06.078Z'],
    ['%Y-%m-%dT%H:%M:%S', '2026-01-09T04:05:06'],
    ['%s.%3f', '1767931506.078'],
    ['%f %6f %1f', '078000000 078000 0'],
    ['%E3S %E*S %E0S', '06.078 06.078 06'],
    ['%F %T %R %D', '2026-01-09 04:05:06 04:05 01/09/26'],
    ['%a %A %b %B %e', 'Fri Friday Jan January  9'],
    ['%I%p %j %y %z %Z %%', '04AM 009 26 +0000 UTC %'],
    ['at', 'at'],
  ];
  for (const [pattern, text] of table) t.equal(createTimeFormat(pattern)(at), text, pattern);
  t.equal(createTimeFormat('%I%p')(Date.UTC(2026, 0, 1, 12)), '12PM');
  t.equal(createTimeFormat('%j')(Date.UTC(2024, 11, 31, 23)), '366');
  t.equal(timeFormatProblem('%Y%%%3f'), undefined);
  t.match(timeFormatProblem('%q'), /%q/);
  t.match(timeFormatProblem('100%'), /%/);
  t.end();
});
