// Puts what somebody types into the command that asks it, as one word of a shell, and copies the command. Nothing is sent from here.

const command = document.getElementById("command");
const text = document.getElementById("text");
const copy = document.querySelector("button[data-copy]");
const said = document.getElementById("copied");

/** A text as one word of a POSIX shell. */
const quoted = (words) => `'${words.replaceAll("'", "'\\''")}'`;

const write = () => {
  command.textContent = command.dataset.before + quoted(text.value.trim() || text.placeholder);
};

text.addEventListener("input", write);
copy.disabled = false;
copy.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(command.textContent);
    said.textContent = "Copied.";
  } catch {
    said.textContent = "This browser copies nothing here; mark the command and copy it.";
  }
});
write();
