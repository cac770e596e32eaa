import { Page } from '../parts/page.tsx';

export function NotFoundPage() {
  return (
    <Page title="There is no such page">
      <p>
        The address may be mistyped, or from another version. <a href="/">Go to the overview</a>, or press <kbd>/</kbd>{' '}
        to search.
      </p>
    </Page>
  );
}

export function NotAllowedPage() {
  return (
    <Page title="This page is not for you">
      <p>
        Your token does not allow what is here. Sign in with one that has a higher role, or{' '}
        <a href="/">go to the overview</a>.
      </p>
    </Page>
  );
}
