// Sends chosen or dropped files, one request each and a few at a time, and shows how far they are:
// a line for each, a bar for all. One that fails holds up no other; without a connection all wait
// until there is one. Without this the form works too.
(() => {
  "use strict";

  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const AT_ONCE = 3;
  const BETWEEN_ANNOUNCEMENTS_MS = 10000;
  const ASK_AGAIN_MS = 3000;
  // So often one file is sent when the connection is lost at it: it may be what breaks it.
  const TRIES = 3;
  const words = form.dataset;
  const picker = form.querySelector("input[type=file]");
  const list = form.querySelector(".upload-list");
  const overall = form.querySelector(".upload-overall");
  const bar = overall.querySelector("progress");
  const count = overall.querySelector(".upload-count");
  const announcer = form.querySelector("[role=status]");
  const cancelButton = overall.querySelector("[data-cancel]");
  const retryButton = overall.querySelector("[data-retry]");

  const uploads = [];
  const waiting = [];
  const sending = new Map();
  let announcedAt = 0;
  let planned = false;
  let isAway = false;
  let isSignedOut = false;

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
  const of = (kind) => uploads.filter((upload) => upload.kind === kind).length;

  // ---- one line ----
  const addLine = (file, name) => {
    const item = document.createElement("li");
    const label = document.createElement("span");
    label.className = "name";
    label.textContent = name;
    const share = document.createElement("span");
    share.className = "share";
    const outcome = document.createElement("span");
    outcome.className = "outcome";
    item.append(label, share, outcome);
    list.append(item);
    return { file, name, item, label, share, outcome, bar: null, kind: "waiting", sent: 0, tries: 0 };
  };

  const mark = (upload, kind, text, url) => {
    upload.kind = kind;
    upload.item.className = kind;
    upload.outcome.textContent = text;
    upload.share.textContent = "";
    upload.bar?.remove();
    upload.bar = null;
    if (url) {
      const link = document.createElement("a");
      link.href = url;
      link.textContent = upload.name;
      upload.label.replaceChildren(link);
    }
    // What went wrong is not to be looked for among hundreds of lines.
    if (kind === "bad") list.prepend(upload.item);
  };

  const showShare = (upload, event) => {
    if (!event.lengthComputable) return;
    upload.sent = event.loaded / event.total;
    upload.bar.value = upload.sent;
    upload.share.textContent = `${Math.round(100 * upload.sent)} %`;
    plan();
  };

  // ---- all of them ----
  const show = () => {
    planned = false;
    const total = uploads.length;
    const left = waiting.length + sending.size;
    const done = total - left;
    const values = { done, total, ok: of("ok"), known: of("duplicate"), bad: of("bad") };
    overall.hidden = total === 0;
    bar.max = total || 1;
    bar.value = done + [...sending.keys()].reduce((sum, upload) => sum + upload.sent, 0);
    const trouble = troubleNow();
    count.textContent = `${fill(words.count, values)} · ${fill(words.result, values)}${trouble && ` · ${trouble}`}`;
    // A hidden button would drop the focus to the top of the page.
    const focused = document.activeElement;
    cancelButton.hidden = left === 0;
    retryButton.hidden = left > 0 || values.bad === 0;
    if (focused?.hidden) (retryButton.hidden ? picker : retryButton).focus();
    announce(left === 0, values, trouble);
  };

  const troubleNow = () => (isAway && waiting.length ? words.away : isSignedOut ? words.signedOut : "");

  // At most one drawing for each frame, however many requests report at the same time.
  const plan = () => {
    if (planned) return;
    planned = true;
    requestAnimationFrame(show);
  };

  // Said now and then: a screen reader is not to read five hundred lines.
  const announce = (isLast, values, trouble) => {
    const now = Date.now();
    if (!uploads.length || (!isLast && now - announcedAt < BETWEEN_ANNOUNCEMENTS_MS)) return;
    announcedAt = now;
    const text = `${fill(isLast ? words.finished : words.count, values)}${trouble && ` ${trouble}`}`;
    if (announcer.textContent !== text) announcer.textContent = text;
  };

  // The list of documents below is loaded anew, whatever filter it has.
  const refresh = () => {
    const documents = document.getElementById("documents");
    window.htmx?.ajax("GET", documents.dataset.refreshUrl, {
      target: "#documents", select: "#documents", swap: "outerHTML",
    });
  };

  // ---- sending ----
  const settle = (upload, kind, text, url) => {
    sending.delete(upload);
    mark(upload, kind, text, url);
    work();
    if (!waiting.length && !sending.size && !isSignedOut) refresh();
  };

  // Of a server behind another that answers for it while it is away.
  const isNoAnswer = (status) => status >= 502 && status <= 504;

  const read = (upload, request) => {
    const result = request.response?.files?.[0];
    if (isNoAnswer(request.status)) lose(upload);
    else if (result?.ok) settle(upload, result.duplicate ? "duplicate" : "ok", result.message, result.url);
    else if (result) settle(upload, "bad", result.message);
    else if (new URL(request.responseURL).pathname !== new URL(form.action).pathname || request.status === 403) {
      isSignedOut = true;
      // The others would be sent for nothing.
      for (const other of waiting.splice(0)) mark(other, "bad", words.signedOut);
      settle(upload, "bad", words.signedOut);
    } else settle(upload, "bad", words.refused);
  };

  const send = (upload) => {
    const body = new FormData();
    body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    body.append("files", upload.file, upload.file.name);
    const request = new XMLHttpRequest();
    sending.set(upload, request);
    mark(upload, "sending", words.sending);
    upload.sent = 0;
    upload.tries += 1;
    upload.bar = document.createElement("progress");
    upload.bar.max = 1;
    upload.bar.value = 0;
    upload.bar.setAttribute("aria-label", upload.name);
    upload.outcome.before(upload.bar);
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => showShare(upload, event));
    request.addEventListener("load", () => read(upload, request));
    request.addEventListener("error", () => lose(upload));
    request.addEventListener("abort", () => settle(upload, "bad", words.cancelled));
    request.send(body);
  };

  const work = () => {
    while (!isAway && waiting.length && sending.size < AT_ONCE) send(waiting.shift());
    plan();
  };

  // ---- interruptions ----
  const lose = (upload) => {
    if (upload.tries >= TRIES) {
      settle(upload, "bad", words.lost);
      return;
    }
    sending.delete(upload);
    mark(upload, "waiting", words.waiting);
    waiting.unshift(upload);
    if (!isAway) setTimeout(askAgain, ASK_AGAIN_MS);
    isAway = true;
    plan();
  };

  const askAgain = async () => {
    try {
      const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" });
      isAway = isNoAnswer(answer.status);
    } catch {
      isAway = true;
    }
    if (isAway && waiting.length) setTimeout(askAgain, ASK_AGAIN_MS);
    else isAway = false;
    work();
  };

  // Whoever has signed in again, in another tab, has another token.
  const renewToken = async () => {
    try {
      const page = await (await fetch(location.href, { cache: "no-store" })).text();
      const fresh = new DOMParser().parseFromString(page, "text/html").querySelector("[data-upload]");
      if (fresh) form.elements.csrfmiddlewaretoken.value = fresh.elements.csrfmiddlewaretoken.value;
    } catch {
      // What is sent then says that the connection is lost.
    }
  };

  // A row that asks for its state would lead to the sign-in page, and the chosen files be forgotten.
  document.body.addEventListener("htmx:beforeOnLoad", (event) => {
    const isNeeded = waiting.length || sending.size || isSignedOut;
    if (isNeeded && event.detail.xhr.getResponseHeader("HX-Redirect")) event.preventDefault();
  });

  const wait = (upload) => {
    upload.tries = 0;
    mark(upload, "waiting", words.waiting);
    waiting.push(upload);
  };

  const take = (files) => {
    // A new batch begins a new count.
    if (!waiting.length && !sending.size) {
      uploads.length = 0;
      isSignedOut = false;
      list.replaceChildren();
      announcedAt = 0;
    }
    for (const { file, name } of files) {
      const upload = addLine(file, name);
      uploads.push(upload);
      if (file) wait(upload);
      else mark(upload, "bad", words.unreadable);
    }
    work();
  };

  cancelButton.addEventListener("click", () => {
    for (const upload of waiting.splice(0)) mark(upload, "bad", words.cancelled);
    for (const request of [...sending.values()]) request.abort();
    plan();
  });

  retryButton.addEventListener("click", async () => {
    if (isSignedOut) await renewToken();
    isSignedOut = false;
    uploads.filter((upload) => upload.kind === "bad" && upload.file).forEach(wait);
    work();
  });

  window.addEventListener("beforeunload", (event) => {
    if (waiting.length || sending.size) event.preventDefault();
  });

  // ---- choosing and dropping ----
  const chosen = () => {
    if (picker.files.length) take([...picker.files].map((file) => ({ file, name: file.name })));
    picker.value = "";
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    chosen();
  });
  picker.addEventListener("change", chosen);

  const fileOf = (entry) => new Promise((resolve) => entry.file(resolve, () => resolve(null)));
  const partOf = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));

  // Files of a dropped folder and of those in it; hidden ones, as .DS_Store, are not meant. What
  // cannot be read gets a line too.
  const filesIn = async (entry) => {
    if (entry.name.startsWith(".")) return [];
    const name = entry.fullPath.slice(1);
    if (entry.isFile) return [{ file: await fileOf(entry), name }];
    const found = [];
    const reader = entry.createReader();
    try {
      // A browser lists a hundred at a time.
      for (let part = await partOf(reader); part.length; part = await partOf(reader)) {
        for (const inner of part) found.push(...await filesIn(inner));
      }
    } catch {
      found.push({ file: null, name });
    }
    return found;
  };

  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  form.addEventListener("dragleave", (event) => {
    if (!form.contains(event.relatedTarget)) form.classList.remove("over");
  });
  form.addEventListener("drop", async (event) => {
    event.preventDefault();
    form.classList.remove("over");
    // Both lists are empty once the event has been handled.
    const plain = [...event.dataTransfer.files].map((file) => ({ file, name: file.name }));
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
    if (!entries.some((entry) => entry?.isDirectory)) {
      take(plain);
      return;
    }
    const found = [];
    for (const entry of entries) if (entry) found.push(...await filesIn(entry));
    take(found);
  });
})();
