// Small conveniences on top of pages that work without them.
(() => {
  "use strict";

  const narrow = window.matchMedia("(max-width: 50rem)");

  // The conversation list is a <details> that starts closed on a phone.
  const list = document.querySelector(".conversations > details");
  if (list && narrow.matches) list.open = false;

  // Enter sends, Shift+Enter breaks the line; never while an input method is composing (Chinese).
  document.addEventListener("keydown", (event) => {
    const box = event.target;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && box.matches?.("[data-enter-sends]")) {
      event.preventDefault();
      if (box.value.trim()) box.form.requestSubmit();
    }
    if (event.key === "Escape") {
      document.querySelectorAll("details.account[open]").forEach((menu) => {
        menu.open = false;
        menu.querySelector("summary").focus();
      });
    }
    // "/" puts the cursor in the question box, as in many search pages.
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !box.matches?.("input, textarea, select")) {
      const ask = document.querySelector("[data-enter-sends]");
      if (ask) {
        event.preventDefault();
        ask.focus();
      }
    }
  });

  document.addEventListener("click", async (event) => {
    document.querySelectorAll("details.account[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      const text = document.getElementById(copy.dataset.copy)?.innerText ?? "";
      await navigator.clipboard.writeText(text);
      const label = copy.textContent;
      copy.textContent = copy.dataset.copied;
      window.setTimeout(() => { copy.textContent = label; }, 1500);
    }
    const suggestion = event.target.closest("[data-question]");
    if (suggestion) {
      const ask = document.querySelector("[data-enter-sends]");
      ask.value = suggestion.dataset.question;
      ask.form.requestSubmit();
    }
  });

  // A source of an answer is opened, by its card or by a [n] in the text. Marked for readers who
  // agreed to personal order, and for nobody else.
  const tellOpened = (event) => {
    const link = event.target.closest?.("a[href]");
    if (!link || event.button > 1) return;
    const answer = link.closest(".answer");
    const number = link.matches(".cite") ? link.textContent.replace(/\D/g, "") : "";
    const card = number && answer
      ? document.getElementById(`${answer.id.replace("answer", "source")}-${number}`)
      : link.closest("[data-opened]");
    if (!card?.dataset.opened) return;
    const headers = JSON.parse(document.body.getAttribute("hx-headers"));
    fetch(card.dataset.opened, { method: "POST", headers, keepalive: true }).catch(() => {});
  };
  document.addEventListener("click", tellOpened);
  document.addEventListener("auxclick", tellOpened);

  // Follow the growing answer only while the reader is at the end of the page.
  let follow = true;
  window.addEventListener("scroll", () => {
    follow = window.innerHeight + window.scrollY >= document.body.scrollHeight - 160;
  }, { passive: true });
  document.addEventListener("htmx:sseMessage", () => {
    if (follow) window.scrollTo({ top: document.body.scrollHeight });
  });

  // A question that was sent: empty the box, bring the new turn into view.
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.target.closest?.("[data-ask]");
    if (!form || !event.detail.successful) return;
    // Only the text: what is ticked stays as the asker left it.
    form.elements.text.value = "";
    follow = true;
    window.scrollTo({ top: document.body.scrollHeight, behavior: "smooth" });
    document.querySelector(".welcome")?.remove();
  });

  // The server could not be reached: say so instead of nothing.
  const report = (key) => {
    const box = document.getElementById("messages");
    const text = document.body.dataset[key];
    if (box && text) {
      const notice = document.createElement("div");
      notice.className = "notice bad";
      notice.textContent = text;
      box.replaceChildren(notice);
      box.scrollIntoView({ block: "nearest" });
    }
  };
  document.addEventListener("htmx:sendError", () => report("offline"));
  document.addEventListener("htmx:responseError", () => report("failed"));

  // The cited place in a source: into the middle of the screen.
  document.getElementById("cited")?.scrollIntoView({ block: "center" });
})();
