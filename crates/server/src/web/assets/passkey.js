// Signs with a passkey, or makes one: asks the browser for what the page says, and sends the answer as the form's. Nothing is decided here; the server
// asks everything anew. A form either has its request, or says where to fetch one that is good once.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) => {
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

// As parseRequestOptionsFromJSON and toJSON do it (WebAuthn Level 3), for browsers that have neither.
const read = (options) => ({
  ...options,
  challenge: bytes(options.challenge),
  allowCredentials: options.allowCredentials.map((one) => ({ ...one, id: bytes(one.id) })),
});
const write = (made) => ({
  id: made.id,
  rawId: text(made.rawId),
  type: made.type,
  response: {
    clientDataJSON: text(made.response.clientDataJSON),
    authenticatorData: text(made.response.authenticatorData),
    signature: text(made.response.signature),
  },
});

// As parseCreationOptionsFromJSON and toJSON do it, as far as the server reads it.
const creation = (options) => ({
  ...options,
  challenge: bytes(options.challenge),
  user: { ...options.user, id: bytes(options.user.id) },
  excludeCredentials: options.excludeCredentials.map((one) => ({ ...one, id: bytes(one.id) })),
});
const created = (made) => ({
  id: made.id,
  rawId: text(made.rawId),
  type: made.type,
  response: {
    clientDataJSON: text(made.response.clientDataJSON),
    attestationObject: text(made.response.attestationObject),
  },
});

const make = async (form) => {
  const made = await navigator.credentials.create({ publicKey: creation(JSON.parse(form.dataset.create)) });
  form.elements.answer.value = JSON.stringify(created(made));
  form.submit();
};

const sign = async (form) => {
  let options;
  if (form.dataset.request) {
    options = JSON.parse(form.dataset.request);
  } else {
    const answer = await fetch(form.dataset.from, { headers: { accept: "application/json" } });
    const asked = await answer.json();
    if (!answer.ok) throw new Error(asked.title);
    form.elements.statement.value = asked.statement;
    options = asked.publicKey;
  }
  const made = await navigator.credentials.get({ publicKey: read(options) });
  form.elements.answer.value = JSON.stringify(write(made));
  form.submit();
};

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const said = form.querySelector("[role=status]");
  if (!window.PublicKeyCredential) {
    said.textContent = "This browser has no passkeys here: they need https, or http://localhost.";
    continue;
  }
  const button = form.querySelector("button");
  button.disabled = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    button.disabled = true;
    said.textContent = "Waiting for your passkey.";
    const makes = Boolean(form.dataset.create);
    (makes ? make : sign)(form).catch((error) => {
      button.disabled = false;
      said.textContent = `${makes ? "No passkey was made" : "Nothing was signed"}: ${error.message || error.name}`;
    });
  });
}
