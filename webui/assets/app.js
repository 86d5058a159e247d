// What the page does by itself: it keeps the panels from flickering, says when the
// appliance is out of reach, and follows the log. Everything else is HTML that the
// server sends and htmx puts in place.
"use strict";

(() => {
  document.documentElement.classList.add("js");

  // ---- Panels -------------------------------------------------------------------

  const link = document.getElementById("link");

  function connected(ok) {
    const text = ok ? "Live" : "Out of reach, trying again";
    if (link.textContent !== text) {
      link.textContent = text;
      link.classList.toggle("lost", !ok);
    }
  }

  // A panel that would be the same as before is left alone, so that selected text
  // stays selected and screen readers are not made to read it again.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const { target, serverResponse } = event.detail;
    const fresh = document.createElement("template");
    fresh.innerHTML = serverResponse;
    if (fresh.innerHTML === target.innerHTML) event.detail.shouldSwap = false;
  });
  document.body.addEventListener("htmx:afterRequest", (event) => connected(event.detail.successful));
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden) event.preventDefault();
  });

  // ---- Log ----------------------------------------------------------------------

  const keep = 2000;
  const rank = { error: 0, warning: 1, info: 2, debug: 3 };
  const log = document.getElementById("log");
  const service = document.getElementById("log-service");
  const severity = document.getElementById("log-severity");
  const jump = document.getElementById("log-jump");
  let following = true;
  let unseen = 0;

  const fits = (row) =>
    (service.value === "" || row.dataset.service === service.value) &&
    rank[row.dataset.severity] <= rank[severity.value];

  function knowService(name) {
    if ([...service.options].some((option) => option.value === name)) return;
    const option = new Option(name, name);
    const next = [...service.options].slice(1).find((other) => other.value > name);
    service.add(option, next ?? null);
  }

  function toEnd() {
    following = true;
    unseen = 0;
    jump.hidden = true;
    log.scrollTop = log.scrollHeight;
  }

  function filter() {
    for (const row of log.children) row.hidden = !fits(row);
    toEnd();
  }

  function append(html) {
    document.getElementById("log-missing")?.remove();
    log.insertAdjacentHTML("beforeend", html);
    const row = log.lastElementChild;
    knowService(row.dataset.service);
    row.hidden = !fits(row);
    // Lines leave at the top only while nobody reads there.
    while (following && log.childElementCount > keep) log.firstElementChild.remove();
    if (following) {
      log.scrollTop = log.scrollHeight;
    } else if (!row.hidden) {
      unseen++;
      jump.textContent = `${unseen} new, go to the end`;
      jump.hidden = false;
    }
  }

  log.addEventListener("scroll", () => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 8;
    if (atEnd) toEnd();
    else following = false;
  });
  service.addEventListener("change", filter);
  severity.addEventListener("change", filter);
  jump.addEventListener("click", () => {
    toEnd();
    log.focus();
  });

  for (const row of log.children) knowService(row.dataset.service);
  toEnd();

  // The browser reconnects by itself and says which line it had last.
  const events = new EventSource("/logs?after=" + encodeURIComponent(log.dataset.last));
  events.addEventListener("line", (event) => append(event.data));
  events.addEventListener("restart", () => log.replaceChildren());
})();
