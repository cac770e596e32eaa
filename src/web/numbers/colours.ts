/** Verdicts have the same colours everywhere. */
export const verdictColours: Readonly<Partial<Record<string, string>>> = {
  provisioned: '--chart-3',
  renewed: '--chart-1',
  refused: '--chart-2',
  failed: '--chart-4',
  abandoned: '--chart-5',
  waiting: '--chart-6',
};
