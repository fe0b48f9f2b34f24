"use strict";

// What one answer gives, the next example takes: so each of them succeeds as it stands, in the order of the page.
const examples = {
  "send_otp/": ({ otp, challenge }) => ({ "auth/": { otp: otp ?? "0000", challenge } }),
  "auth/": ({ token, refresh_token: refresh }) => {
    ui.preauthorizeApiKey("token", token);
    return { "token/refresh/": { refresh_token: refresh }, ...known };
  },
  "token/refresh/": ({ token, refresh_token: refresh }) => {
    ui.preauthorizeApiKey("token", token);
    return { "token/refresh/": { refresh_token: refresh } };
  },
  "me/": ({ invite_code: code }) => {
    known = { "referal/": { activated_invite_code: code } }; // for whoever signs in next
    return {};
  },
};
let known = {};

function showExamples(changed) {
  const spec = ui.specSelectors.specJson().toJS();
  for (const [call, value] of Object.entries(changed)) {
    for (const body of Object.values(spec.paths[`/api/users/${call}`].post.requestBody.content)) {
      body.examples = { request: { value } };
    }
  }
  ui.specActions.updateJsonSpec(spec);
}

const ui = SwaggerUIBundle({
  url: "{{ schema_url|escapejs }}",
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  responseInterceptor: (response) => {
    const call = new URL(response.url, location.href).pathname.replace("/api/users/", "");
    if (response.ok && examples[call]) setTimeout(() => showExamples(examples[call](JSON.parse(response.text))));
    return response;
  },
  ...{{ settings|safe }},
});
