/** /certs: the certificates in use. There are none while every connection is plain text. */

import { jsonAnswer, type AdminPage } from './page.ts';

export function certsPage(): AdminPage {
  return { path: '/certs', help: 'print certificates in use', answer: () => jsonAnswer({ certificates: [] }) };
}
