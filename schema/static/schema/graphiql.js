// Starts GraphiQL with the examples in tabs, in React 18 (our copy of it) as well as in React 17 (the CDN's).
async function fetcher({ query, variables, operationName }, { headers } = {}) {
  // After a change of tabs GraphiQL 4 may still name the operation of the tab before.
  const isHere = new RegExp(`(query|mutation)\\s+${operationName}\\b`).test(query);
  const answer = await fetch(location.pathname, {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify({ query, variables, operationName: isHere ? operationName : null }),
  });
  return answer.json();
}

// Codes and tokens pass through the editors: nothing of that outlives the page.
const kept = new Map();
const storage = {
  getItem: (name) => kept.get(name) ?? null,
  setItem: (name, value) => kept.set(name, value),
  removeItem: (name) => kept.delete(name),
  clear: () => kept.clear(),
  get length() {
    return kept.size;
  },
};

const asText = (value) => (value ? JSON.stringify(value, null, 2) : "");
const tabs = window.ZOVI_EXAMPLES.map(({ query, variables, headers }) => ({
  query,
  variables: asText(variables),
  headers: asText(headers),
}));
const page = React.createElement(GraphiQL, {
  fetcher,
  storage,
  defaultTabs: tabs,
  variables: tabs[0].variables, // of the open tab; GraphiQL 4 does not take it from the tab
  defaultEditorToolsVisibility: "variables",
  isHeadersEditorEnabled: true,
});
const place = document.getElementById("graphiql");
if (ReactDOM.createRoot) {
  ReactDOM.createRoot(place).render(page);
} else {
  ReactDOM.render(page, place);
}
