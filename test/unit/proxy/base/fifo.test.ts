/** The ring behaves like an array. */

import fc from 'fast-check';
import t from 'tap';
import { Fifo } from '../../../../proxy/base/fifo.ts';

const step = fc.oneof(fc.record({ push: fc.integer({ min: 0, max: 5 }) }), fc.constant('shift' as const), fc.record({ remove: fc.integer({ min: 0, max: 5 }) }));

t.test('against an array', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      for (const action of steps) {
        if (action === 'shift') {
          if (fifo.shift() !== model.shift()) return false;
        } else if ('push' in action) {
          fifo.push(action.push);
          model.push(action.push);
        } else {
          const index = model.indexOf(action.remove);
          if (index >= 0) model.splice(index, 1);
          if (fifo.remove(action.remove) !== index >= 0) return false;
        }
        if (fifo.length !== model.length) return false;
      }
      return true;
    }),
  );
  t.end();
});
