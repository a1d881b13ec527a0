/** /help and the page a browser opens at /: every path with its words. */

import { textAnswer, type AdminPage } from './page.ts';

/** `pages` may grow after this call: it is read when asked. */
export function homePages(pages: readonly AdminPage[]): readonly AdminPage[] {
  return [
    {
      path: '/',
      help: 'Admin home page',
      answer: () => ({ status: 200, contentType: 'text/html; charset=UTF-8', body: renderHome(pages) }),
    },
    { path: '/help', help: 'print out list of admin commands', answer: () => textAnswer(renderHelp(pages)) },
  ];
}

/** Envoy's list, which it also gives for a path it does not know. */
export function renderHelp(pages: readonly AdminPage[]): string {
  let lines = 'admin commands are:\n';
  for (const { path, help, parameters = {}, mutates } of sorted(pages)) {
    lines += `  ${path}${mutates === true ? ' (POST)' : ''}: ${help}\n`;
    for (const [name, words] of Object.entries(parameters)) lines += `      ${name}: ${words}\n`;
  }
  return lines;
}

function renderHome(pages: readonly AdminPage[]): string {
  const rows = sorted(pages).map(({ path, help, mutates }) => {
    const target = mutates === true ? `<form method="post" action="${path}"><button>${path}</button></form>` : `<a href="${path}">${path}</a>`;
    return `<tr><td>${target}</td><td>${help.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</td></tr>`;
  });
  const style = 'body{font-family:sans-serif}td{padding:4px}form{margin:0}';
  return `<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Outrider Admin</title><style>${style}</style></head>\n<body>\n<table>\n${rows.join('\n')}\n</table>\n</body>\n</html>\n`;
}

function sorted(pages: readonly AdminPage[]): readonly AdminPage[] {
  return [...pages].sort((left, right) => (left.path < right.path ? -1 : 1));
}
