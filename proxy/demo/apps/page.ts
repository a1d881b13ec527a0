/** The product page as HTML: pure, no script, readable without its style sheet. */

import type { Product } from './books.ts';
import type { Review, ReviewsAnswer } from './leaf-services.ts';

/** One call behind the page, as the services and proxies themselves reported it. */
export interface Hop {
  readonly service: string;
  readonly answeredBy: string;
  readonly proxies: readonly string[];
  /** x-envoy-upstream-service-time of the caller's proxy; empty where there is none. */
  readonly upstreamMs: string;
}

export interface PageFacts {
  /** Empty for a visitor who is not signed in. */
  readonly user: string;
  readonly product: Product;
  readonly details: Readonly<Record<string, string | number>> | undefined;
  readonly detailsStatus: number;
  readonly reviews: ReviewsAnswer | undefined;
  readonly reviewsStatus: number;
  readonly requestId: string;
  readonly hops: readonly Hop[];
}

export function renderPage(facts: PageFacts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(facts.product.title)} · Bookinfo</title>
<link rel="stylesheet" href="/static/style.css">
</head>
<body>
<header>
<p class="brand">Bookinfo <span>on Outrider</span></p>
${signIn(facts.user)}
</header>
<main>
<h1>${escape(facts.product.title)}</h1>
<p class="lead">${escape(facts.product.description)}</p>
<div class="columns">
<section aria-labelledby="reviews">
<h2 id="reviews">Reviews</h2>
${reviews(facts)}
</section>
<section aria-labelledby="details">
<h2 id="details">Details</h2>
${details(facts)}
</section>
</div>
<section aria-labelledby="path" class="path">
<h2 id="path">How this page was made</h2>
${hops(facts.hops)}
<p class="note">Request <code>${escape(facts.requestId)}</code>: the same id stands in the access log of every proxy above.</p>
</section>
</main>
</body>
</html>
`;
}

function signIn(user: string): string {
  if (user !== '') return `<p class="user">Signed in as <strong>${escape(user)}</strong> · <a href="/logout">Sign out</a></p>`;
  return `<form action="/login" method="post" class="user">
<label for="username">Name</label>
<input id="username" name="username" autocomplete="username" maxlength="40" placeholder="jason" required>
<button>Sign in</button>
</form>`;
}

function reviews({ reviews, reviewsStatus }: PageFacts): string {
  if (reviews === undefined) return unavailable('Reviews', reviewsStatus);
  const list = reviews.reviews.map(
    (review) => `<figure>
<blockquote><p>${escape(review.text)}</p></blockquote>
<figcaption>${escape(review.reviewer)}${rating(review)}</figcaption>
</figure>`,
  );
  return `${list.join('\n')}\n<p class="note">Answered by <strong>${escape(reviews.podname)}</strong></p>`;
}

function rating({ rating }: Review): string {
  if (rating === undefined) return '';
  if ('error' in rating) return ` <span class="note">${escape(rating.error)}</span>`;
  const stars = '★'.repeat(rating.stars) + '☆'.repeat(Math.max(0, 5 - rating.stars));
  return ` <span class="stars ${escape(rating.color)}" role="img" aria-label="${rating.stars} of 5 stars">${stars}</span>`;
}

function details({ details, detailsStatus }: PageFacts): string {
  if (details === undefined) return unavailable('Details', detailsStatus);
  const { id: _id, podname, ...shown } = details;
  const rows = Object.entries(shown).map(([name, value]) => `<div><dt>${escape(name)}</dt><dd>${escape(String(value))}</dd></div>`);
  return `<dl>\n${rows.join('\n')}\n</dl>\n<p class="note">Answered by <strong>${escape(String(podname))}</strong></p>`;
}

function unavailable(what: string, status: number): string {
  const why = status === 0 ? 'no answer' : `status ${status}`;
  return `<p class="sorry" role="status">${what} are not available now (${why}).</p>`;
}

function hops(list: readonly Hop[]): string {
  const rows = list.map(
    ({ service, answeredBy, proxies, upstreamMs }) =>
      `<tr><th scope="row">${escape(service)}</th><td>${escape(answeredBy)}</td><td>${proxies.map(escape).join(' → ')}</td><td>${upstreamMs === '' ? '' : `${escape(upstreamMs)} ms`}</td></tr>`,
  );
  return `<div class="scroll"><table>
<thead><tr><th scope="col">Service</th><th scope="col">Answered by</th><th scope="col">Through</th><th scope="col">Upstream time</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table></div>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

export const STYLE = `:root { color-scheme: light; --ink: #1d2330; --soft: #5a6272; --line: #d9dde5; --accent: #1f4fa3; --red: #b3261e; }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.6 system-ui, sans-serif; color: var(--ink); background: #f6f7f9; }
header { display: flex; flex-wrap: wrap; gap: .5rem 2rem; align-items: center; justify-content: space-between; padding: .75rem 1.5rem; background: var(--ink); color: #fff; }
header a { color: #fff; }
.brand { margin: 0; font-size: 1.1rem; font-weight: 700; }
.brand span { font-weight: 400; opacity: .8; }
.user { display: flex; gap: .5rem; align-items: center; margin: 0; font-size: .95rem; }
input, button { font: inherit; padding: .25rem .6rem; border: 1px solid var(--line); border-radius: 4px; }
button { border-color: #fff; background: #fff; color: var(--ink); cursor: pointer; }
:focus-visible { outline: 3px solid #7aa7ff; outline-offset: 2px; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h1 { margin: .5rem 0; font-size: 2rem; line-height: 1.2; }
h2 { margin: 0 0 .5rem; font-size: 1.15rem; }
.lead { max-width: 45rem; margin: 0 0 1.5rem; }
.columns { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 1rem; }
section { padding: 1.25rem; border: 1px solid var(--line); border-radius: 8px; background: #fff; }
.path { margin-top: 1rem; }
figure { margin: 0 0 1rem; padding-left: .9rem; border-left: 3px solid var(--line); }
blockquote { margin: 0; }
blockquote p { margin: 0; }
figcaption { color: var(--soft); font-size: .95rem; }
.stars { font-size: 1.15rem; letter-spacing: .1em; color: #000; }
.stars.red { color: var(--red); }
dl { margin: 0; }
dl div { display: flex; gap: 1rem; padding: .2rem 0; border-bottom: 1px solid var(--line); }
dt { width: 6.5rem; color: var(--soft); text-transform: capitalize; }
dd { margin: 0; }
.note { margin: .75rem 0 0; color: var(--soft); font-size: .9rem; }
.sorry { padding: .75rem; border-radius: 4px; background: #fdecea; color: #7a1710; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .95rem; }
th, td { padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; }
@media (max-width: 44rem) { .columns { grid-template-columns: minmax(0, 1fr); } }
`;
