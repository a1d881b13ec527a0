/**
 * Syntax check of Common Expression Language, as istiod parses Telemetry's access log filters before it hands them
 * on (google/cel-spec, "Syntax"). It only tells text that parses from text that does not: names and types are Envoy's concern.
 */

/** Nesting beyond this is refused, so that no input can exhaust the stack. */
const maxDepth = 128;

const tokenPattern = new RegExp(
  [
    String.raw`(?<space>\s+|//[^\n]*)`,
    String.raw`(?<text>[rR]?[bB]?(?:"""[^]*?"""|'''[^]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))`,
    String.raw`(?<number>0x[0-9a-fA-F]+u?|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][-+]?\d+)?u?)`,
    String.raw`(?<name>[_a-zA-Z]\w*)`,
    String.raw`(?<sign>&&|\|\||==|!=|<=|>=|[-<>+*/%!?:.,()[\]{}])`,
  ].join('|'),
  'y',
);

const relations = new Set(['==', '!=', '<', '<=', '>', '>=', 'in']);

/** Words that are not names (cel-spec "RESERVED"). */
const reserved = new Set('as break const continue else for function if import let loop package namespace return var void while'.split(' '));

/** Why the text is no CEL expression, or undefined. */
export function celProblem(text: string): string | undefined {
  const tokens = tokenize(text);
  if (typeof tokens === 'string') return tokens;
  const parser = new Parser(tokens);
  return parser.expression(0) ?? (parser.done ? undefined : parser.unexpected());
}

interface Token {
  readonly kind: 'text' | 'number' | 'name' | 'sign';
  readonly text: string;
}

function tokenize(text: string): readonly Token[] | string {
  const tokens: Token[] = [];
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < text.length) {
    const at = tokenPattern.lastIndex;
    const groups = tokenPattern.exec(text)?.groups;
    if (groups === undefined) return `unexpected ${JSON.stringify(text.slice(at, at + 10))}`;
    const kind = (['text', 'number', 'name', 'sign'] as const).find((name) => groups[name] !== undefined);
    if (kind !== undefined) tokens.push({ kind, text: groups[kind]! });
  }
  return tokens;
}

/** Recursive descent; each method consumes its construct and returns a problem or undefined. */
class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get done(): boolean {
    return this.#at >= this.#tokens.length;
  }

  unexpected(): string {
    const token = this.#tokens[this.#at];
    return token === undefined ? 'ends too early' : `unexpected ${JSON.stringify(token.text)}`;
  }

  /** `or ? or : expression` */
  expression(depth: number): string | undefined {
    if (depth > maxDepth) return 'is nested too deeply';
    const problem = this.#binary(depth);
    if (problem !== undefined || !this.#take('?')) return problem;
    return this.#binary(depth) ?? this.#expect(':') ?? this.expression(depth + 1);
  }

  /** All binary operators at one go: precedence does not decide whether a text parses. */
  #binary(depth: number): string | undefined {
    let problem = this.#unary(depth);
    while (problem === undefined && this.#takeOperator()) problem = this.#unary(depth);
    return problem;
  }

  #unary(depth: number): string | undefined {
    if (this.#take('!')) while (this.#take('!'));
    else while (this.#take('-'));
    let problem = this.#primary(depth);
    while (problem === undefined) {
      if (this.#take('.')) problem = this.#member(depth);
      else if (this.#take('[')) problem = this.expression(depth + 1) ?? this.#expect(']');
      else if (this.#peek('{')) problem = this.#entries('{', '}', true, depth);
      else break;
    }
    return problem;
  }

  #member(depth: number): string | undefined {
    if (this.#tokens[this.#at]?.kind !== 'name') return this.unexpected();
    this.#at += 1;
    return this.#peek('(') ? this.#entries('(', ')', false, depth) : undefined;
  }

  #primary(depth: number): string | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined) return this.unexpected();
    if (token.kind === 'text' || token.kind === 'number') return this.#skip();
    if (this.#take('(')) return this.expression(depth + 1) ?? this.#expect(')');
    if (token.text === '[') return this.#entries('[', ']', false, depth);
    if (token.text === '{') return this.#entries('{', '}', true, depth);
    if (this.#take('.') || token.kind === 'name') return this.#name(depth);
    return this.unexpected();
  }

  #name(depth: number): string | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'name' || reserved.has(token.text) || token.text === 'in') return this.unexpected();
    this.#at += 1;
    return this.#peek('(') ? this.#entries('(', ')', false, depth) : undefined;
  }

  /** A bracketed comma list, of pairs in a map or message; maps and lists may end in a comma. */
  #entries(open: string, close: string, pairs: boolean, depth: number): string | undefined {
    this.#take(open);
    while (!this.#take(close)) {
      const problem = this.expression(depth + 1) ?? (pairs ? (this.#expect(':') ?? this.expression(depth + 1)) : undefined);
      if (problem !== undefined) return problem;
      if (this.#take(',')) {
        if (open === '(' && this.#peek(close)) return this.unexpected();
        continue;
      }
      if (!this.#peek(close)) return this.unexpected();
    }
    return undefined;
  }

  #takeOperator(): boolean {
    const text = this.#tokens[this.#at]?.text ?? '';
    if (this.#tokens[this.#at]?.kind === 'text') return false;
    if (!relations.has(text) && !['&&', '||', '+', '-', '*', '/', '%'].includes(text)) return false;
    this.#at += 1;
    return true;
  }

  #skip(): undefined {
    this.#at += 1;
    return undefined;
  }

  #peek(text: string): boolean {
    const token = this.#tokens[this.#at];
    return token?.kind === 'sign' && token.text === text;
  }

  #take(text: string): boolean {
    if (!this.#peek(text)) return false;
    this.#at += 1;
    return true;
  }

  #expect(text: string): string | undefined {
    return this.#take(text) ? undefined : this.unexpected();
  }
}
