// ReDoc without its logo, its fonts or its search worker: nothing leaves this server.
"use strict";

const place = document.getElementById("redoc");
Redoc.init(place.dataset.schema, {
  disableSearch: true,
  hideDownloadButton: false,
  theme: { typography: { fontFamily: 'system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif', headings: { fontFamily: 'system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif' } } },
}, place);
