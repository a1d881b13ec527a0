/** /memory: Envoy's names for the JavaScript heap, and what Node knows beside it. Bytes, as strings (protobuf's 64-bit JSON). */

import { jsonAnswer, type AdminPage } from './page.ts';

export function memoryPage(): AdminPage {
  return {
    path: '/memory',
    help: 'print memory in use',
    answer: () => {
      const { heapUsed, heapTotal, rss, external, arrayBuffers } = process.memoryUsage();
      return jsonAnswer({
        allocated: `${heapUsed}`,
        heap_size: `${heapTotal}`,
        total_physical_bytes: `${rss}`,
        rss: `${rss}`,
        external: `${external}`,
        array_buffers: `${arrayBuffers}`,
      });
    },
  };
}
