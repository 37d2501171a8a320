// Sends chosen or dropped files one by one and shows how far each is. Without it the form works too.
(() => {
  "use strict";

  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const picker = form.querySelector("input[type=file]");
  const list = form.querySelector(".upload-list");
  const waiting = [];
  let busy = false;

  const show = (file) => {
    const item = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = file.name;
    const share = document.createElement("span");
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", file.name);
    const outcome = document.createElement("span");
    outcome.className = "outcome";
    item.append(name, share, bar, outcome);
    list.append(item);
    return { item, share, bar, outcome };
  };

  const finish = (row, kind, text, url) => {
    row.item.className = kind;
    row.bar.remove();
    row.share.textContent = "";
    row.outcome.textContent = text;
    if (url) {
      const link = document.createElement("a");
      link.href = url;
      link.textContent = row.item.firstChild.textContent;
      row.item.firstChild.replaceChildren(link);
    }
  };

  const send = ({ file, row }) => new Promise((resolve) => {
    const body = new FormData();
    body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    body.append("files", file, file.name);
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    row.outcome.textContent = form.dataset.sending;
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      row.bar.value = event.loaded / event.total;
      row.share.textContent = `${Math.round((100 * event.loaded) / event.total)} %`;
    });
    request.addEventListener("load", () => {
      const result = request.response?.files?.[0];
      if (!result) finish(row, "bad", form.dataset.refused);
      else if (!result.ok) finish(row, "bad", result.message);
      else finish(row, result.duplicate ? "duplicate" : "ok", result.message, result.url);
      resolve();
    });
    request.addEventListener("error", () => {
      finish(row, "bad", form.dataset.lost);
      resolve();
    });
    request.send(body);
  });

  // The list of documents below is loaded anew, whatever filter it has.
  const refresh = () => {
    const documents = document.getElementById("documents");
    window.htmx?.ajax("GET", documents.dataset.refreshUrl, {
      target: "#documents", select: "#documents", swap: "outerHTML",
    });
  };

  const work = async () => {
    if (busy) return;
    busy = true;
    while (waiting.length) await send(waiting.shift());
    busy = false;
    refresh();
  };

  const take = (files) => {
    for (const file of files) waiting.push({ file, row: show(file) });
    picker.value = "";
    work();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (picker.files.length) take(picker.files);
  });
  picker.addEventListener("change", () => { if (picker.files.length) take(picker.files); });

  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  form.addEventListener("dragleave", (event) => {
    if (!form.contains(event.relatedTarget)) form.classList.remove("over");
  });
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    take(event.dataTransfer.files);
  });
})();
