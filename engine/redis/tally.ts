/**
 * Puts the tally of an entry into the tail of its event, as `reactions` at the end of its `data`, so the tail is only cut and joined. It is
 * kept beside the log as `group \x1f count \x1f users \x1e` per group, each user followed by a blank.
 */
export function withTally(tail: string, tally: string): string {
  if (tally === '') return tail;
  const groups = tally
    .split('\x1e')
    .slice(0, -1)
    .map((part) => {
      const [emoji, count, users = ''] = part.split('\x1f');
      return { emoji, count: Number(count), userIds: users.split(' ').slice(0, -1) };
    });
  return `${tail.slice(0, -2)},"reactions":${JSON.stringify(groups)}}}`;
}
