// Starts GraphiQL with the examples in tabs, each of which takes what the answers before it gave.
const nameOf = (query) => query.match(/(?:query|mutation)\s+(\w+)/)?.[1];
const asText = (value) => (value ? JSON.stringify(value, null, 2) : "");

const known = {}; // what a variable can take
function learn({ requestCode, verifyCode, refreshToken, me }) {
  if (requestCode) {
    known.code = requestCode.otp ?? known.code;
    known.challenge = requestCode.challenge;
  }
  if (verifyCode) {
    known.inviteCode = known.own; // for whoever signs in next
    known.own = verifyCode.me?.inviteCode;
    known.user = verifyCode.me?.id;
  }
  const tokens = verifyCode ?? refreshToken;
  known.token = tokens?.token ?? known.token;
  known.refreshToken = tokens?.refreshToken ?? known.refreshToken;
  known.session = me?.sessions?.edges.find(({ node }) => !node.current)?.node.id ?? known.session;
}

// What is known, into the editors of the open tab: each value once, so that what somebody writes in its place stays.
const given = {};
function fill() {
  const [query, variables, headers] = [...document.querySelectorAll(".graphiql-editor .CodeMirror")].map(
    (place) => place.CodeMirror,
  );
  const name = nameOf(query.getValue());
  const example = window.ZOVI_EXAMPLES.find((one) => nameOf(one.query) === name);
  const taken = Object.entries(example?.takes ?? {}).map(([variable, what]) => [variable, known[what]]);
  give(variables, name, taken);
  if (known.token && (example?.headers || !example)) {
    give(headers, name, [["Authorization", `Bearer ${known.token}`]]);
  }
}
function give(editor, name, values) {
  given[name] ??= {};
  const news = Object.fromEntries(values.filter(([key, value]) => value && given[name][key] !== value));
  if (!Object.keys(news).length) return;
  Object.assign(given[name], news);
  try {
    editor.setValue(asText({ ...JSON.parse(editor.getValue() || "{}"), ...news }));
  } catch {
    // somebody is in the middle of writing
  }
}

async function fetcher({ query, variables, operationName }, { headers } = {}) {
  // After a change of tabs GraphiQL 4 may still name the operation of the tab before.
  const isHere = new RegExp(`(query|mutation)\\s+${operationName}\\b`).test(query);
  const response = await fetch(location.pathname, {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify({ query, variables, operationName: isHere ? operationName : null }),
  });
  const answer = await response.json();
  learn(answer.data ?? {});
  setTimeout(fill);
  return answer;
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
  onTabChange: () => setTimeout(fill), // when the editors have what is the tab's
});
ReactDOM.createRoot(document.getElementById("graphiql")).render(page);
