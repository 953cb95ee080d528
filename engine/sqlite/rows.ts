import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';

type ColumnType = 'integer' | 'text' | 'integer?' | 'text?';
/** The columns a query answers, by name. A question mark: the column may be NULL. */
export type Columns = Readonly<Record<string, ColumnType>>;

interface ValueOf {
  integer: number;
  text: string;
  'integer?': number | null;
  'text?': string | null;
}
export type RowOf<C extends Columns> = { -readonly [N in keyof C]: ValueOf[C[N]] };

/**
 * A prepared query whose rows have a type. What the statement answers is compared with the declared columns once, when it is prepared:
 * tables are STRICT, so a row cannot hold anything else.
 */
export class Query<C extends Columns> {
  readonly #statement: StatementSync;

  constructor(db: DatabaseSync, columns: C, sql: string) {
    this.#statement = db.prepare(sql);
    const declared = Object.entries(columns);
    const answered = this.#statement.columns();
    const differs = answered.some(({ name, type }, i) => {
      const [declaredName, declaredType = ''] = declared[i] ?? [];
      return name !== declaredName || (type !== null && type.toLowerCase() !== declaredType.replace('?', ''));
    });
    if (differs || answered.length !== declared.length) throw new Error(`the columns are not ${declared.join(' ')} in: ${sql}`);
  }

  get(...values: SQLInputValue[]): RowOf<C> | undefined {
    return this.#statement.get(...values) as RowOf<C> | undefined;
  }

  all(...values: SQLInputValue[]): RowOf<C>[] {
    return this.#statement.all(...values) as RowOf<C>[];
  }
}
