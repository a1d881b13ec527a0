/** When a request may be sent again after the keep-alive race, and when it may not. */

import t from 'tap';
import { mayReplay, type RaceFacts } from '../../../../proxy/router/replay.ts';

const race: RaceFacts = { reused: true, answered: false, method: 'GET', hasBody: false, bodyBytesWritten: 0, replays: 0 };

const CASES: readonly (readonly [name: string, facts: Partial<RaceFacts>, expected: boolean])[] = [
  ['GET on a reused connection', {}, true],
  ['GET on a fresh connection: the server refused it', { reused: false }, false],
  ['a byte of an answer was read', { answered: true }, false],
  ['POST without a body may have been done', { method: 'POST' }, false],
  ['POST of whose body nothing was written', { method: 'POST', hasBody: true }, true],
  ['POST with body bytes written', { method: 'POST', hasBody: true, bodyBytesWritten: 1 }, false],
  ['PUT with body bytes written: they are not kept', { method: 'PUT', hasBody: true, bodyBytesWritten: 9 }, false],
  ['DELETE', { method: 'DELETE' }, true],
  ['HEAD', { method: 'HEAD' }, true],
  ['PATCH is not idempotent', { method: 'PATCH' }, false],
  ['not for ever', { replays: 5 }, false],
];

for (const [name, facts, expected] of CASES) t.equal(mayReplay({ ...race, ...facts }), expected, name);
