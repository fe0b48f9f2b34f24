// Starts GraphiQL with the examples in tabs. It works with React 18 (our copy) and React 17 (the CDN's).
async function fetcher(operation, { headers } = {}) {
  const answer = await fetch(location.pathname, {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(operation),
  });
  return answer.json();
}

const asText = (value) => (value ? JSON.stringify(value, null, 2) : undefined);
const page = React.createElement(GraphiQL, {
  fetcher,
  defaultTabs: window.ZOVI_EXAMPLES.map(({ query, variables, headers }) => ({
    query,
    variables: asText(variables),
    headers: asText(headers),
  })),
  defaultEditorToolsVisibility: "variables",
  isHeadersEditorEnabled: true,
  shouldPersistHeaders: false, // a token has no place in localStorage
});
const place = document.getElementById("graphiql");
if (ReactDOM.createRoot) {
  ReactDOM.createRoot(place).render(page);
} else {
  ReactDOM.render(page, place);
}
