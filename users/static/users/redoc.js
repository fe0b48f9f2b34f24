// ReDoc without its web fonts, its search worker or the logo it asks its maker's server for: nothing leaves ours.
"use strict";

const src = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
const { setAttribute } = Element.prototype;
const isOurs = (url) => new URL(url, location.href).origin === location.origin;
Object.defineProperty(HTMLImageElement.prototype, "src", {
  ...src,
  set(url) { if (isOurs(url)) src.set.call(this, url); },
});
HTMLImageElement.prototype.setAttribute = function (name, value) {
  if (name !== "src" || isOurs(value)) setAttribute.call(this, name, value);
};

const place = document.getElementById("redoc");
const fontFamily = 'system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif';
Redoc.init(place.dataset.schema, {
  disableSearch: true,
  theme: {
    colors: { primary: { main: "#0a5a39" } },
    typography: { fontFamily, headings: { fontFamily } },
    sidebar: { backgroundColor: "#f2f4ee" },
    rightPanel: { backgroundColor: "#10231c" },
  },
}, place);
