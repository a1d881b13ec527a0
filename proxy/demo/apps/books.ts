/** What the bookinfo services know: one book, two opinions of it. */

export interface Product {
  readonly id: number;
  readonly title: string;
  readonly description: string;
}

export const PRODUCTS: readonly Product[] = [
  {
    id: 0,
    title: 'The Comedy of Errors',
    description:
      'Two pairs of twins, separated at birth, come to the same town on the same day. Everybody takes one for the other: ' +
      'servants are beaten for errands they were never sent on, a husband is locked out of his own dinner, and a gold chain ' +
      'changes hands once too often. Shakespeare’s shortest play.',
  },
];

export const DETAILS: Readonly<Record<string, string | number>> = {
  author: 'William Shakespeare',
  year: 1594,
  type: 'paperback',
  pages: 200,
  publisher: 'First Folio Press',
  language: 'English',
};

export const REVIEWS: readonly { readonly reviewer: string; readonly text: string }[] = [
  { reviewer: 'Reviewer1', text: 'Farce at full speed: by the third act I had lost count of the twins and did not mind at all.' },
  { reviewer: 'Reviewer2', text: 'Light and very funny. Nobody learns anything, and nobody needs to.' },
];

/** Stars by reviewer, out of five. */
export const RATINGS: Readonly<Record<string, number>> = { Reviewer1: 5, Reviewer2: 4 };
