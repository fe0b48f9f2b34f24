// ReDoc without its web fonts, its search worker or the logo it asks its maker's server for: nothing leaves ours.
"use strict";

const { setAttribute } = Element.prototype;
const src = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
const isOurs = (url) => new URL(url, location.href).origin === location.origin;
function show(image, url, set) {
  if (isOurs(url)) set();
  else image.classList.add("foreign");
}
Object.defineProperty(HTMLImageElement.prototype, "src", {
  ...src,
  set(url) { show(this, url, () => src.set.call(this, url)); },
});
HTMLImageElement.prototype.setAttribute = function (name, value) {
  if (name === "src") show(this, value, () => setAttribute.call(this, name, value));
  else setAttribute.call(this, name, value);
};

// The menu shows all calls at once.
function flat(spec) {
  for (const call of Object.values(spec.paths).flatMap((path) => Object.values(path))) delete call.tags;
  delete spec.tags;
  return spec;
}

const place = document.getElementById("redoc");
const fontFamily = 'system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif';
const options = {
  disableSearch: true,
  downloadDefinitionUrl: place.dataset.schema,
  theme: {
    colors: { primary: { main: "#0a5a39" } },
    typography: { fontFamily, headings: { fontFamily } },
    sidebar: { backgroundColor: "#f2f4ee" },
    rightPanel: { backgroundColor: "#10231c" },
  },
};
fetch(place.dataset.schema, { headers: { Accept: "application/json" } })
  .then((answer) => answer.json())
  .then((spec) => Redoc.init(flat(spec), options, place));
