// Live updates, the clock, and the greying when the stream stops. No library, no build step.
"use strict";
(() => {
  const body = document.body, words = body.dataset;
  const SILENCE_MS = 5000, RETRY_MS = 2000;
  const offset = Number(words.offset);              // seconds that local time is ahead of UTC
  let server = Number(words.now), heard = performance.now();

  const now = () => server + (performance.now() - heard) / 1000;
  const two = (n) => String(n).padStart(2, "0");
  const clockText = (t) => { const d = new Date((t + offset) * 1000); return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`; };
  const duration = (s) => {
    s = Math.max(0, Math.floor(s));
    if (s < 60) return `${s} ${words.s}`;
    if (s < 3600) return `${Math.floor(s / 60)} ${words.min}`;
    const [big, small, a, b] = s < 86400 ? [3600, 60, words.h, words.min] : [86400, 3600, words.d, words.h];
    const rest = Math.floor((s % big) / small);
    return `${Math.floor(s / big)} ${a}` + (rest ? ` ${rest} ${b}` : "");
  };

  const live = document.querySelector("[data-live]"), sheet = document.querySelector("[data-refresh]");
  const lost = document.getElementById("lost");
  let stale = false;

  function tick() {
    const silent = performance.now() - heard;
    if (live && silent > SILENCE_MS) grey(silent);
    if (!stale) {
      document.getElementById("clock").textContent = clockText(now());
      for (const el of document.querySelectorAll("time.age")) el.textContent = duration(now() - Number(el.dataset.since));
    }
  }
  function grey(silent) {
    if (!stale) {
      stale = true;
      body.classList.add("stale");
      document.getElementById("clock").textContent = clockText(server);
      document.getElementById("lost-since").textContent = clockText(server);
      lost.hidden = false;
    }
    document.getElementById("lost-age").textContent = duration(silent / 1000);
  }
  function alive(time) {
    server = time; heard = performance.now();
    if (stale) { stale = false; body.classList.remove("stale"); lost.hidden = true; tick(); }
  }

  let source = null, opened = 0, mark = live ? live.dataset.mark : "";
  function connect() {
    if (source) source.close();
    opened = performance.now();
    source = new EventSource(`${live.dataset.live}?lang=${encodeURIComponent(words.lang)}&mark=${encodeURIComponent(mark)}`);
    source.addEventListener("beat", (e) => alive(Number(e.data)));
    source.addEventListener("hello", (e) => { if (e.data !== words.assets) location.reload(); });
    source.addEventListener("patch", (e) => { patch(JSON.parse(e.data)); mark = e.lastEventId; });
  }
  function patch(parts) {
    const focus = document.activeElement, href = focus && focus.closest("[data-fragment]") && focus.getAttribute("href");
    const holder = href && focus.closest("[data-fragment]").id;
    for (const [id, html] of Object.entries(parts)) {
      const el = document.getElementById(id);
      if (!el) { location.reload(); return; }       // an area came or went: the page has another shape now
      el.innerHTML = html;
    }
    if (href && parts[holder] !== undefined) {
      const again = document.getElementById(holder).querySelector(`a[href="${CSS.escape(href)}"]`);
      if (again) again.focus({ preventScroll: true });
    }
    tick();
  }
  function watch() {
    // EventSource retries by itself after a broken connection, but not after an error answer, nor when nothing comes.
    const silent = performance.now() - Math.max(heard, opened);
    if (source.readyState === EventSource.CLOSED ? performance.now() - opened > RETRY_MS : silent > SILENCE_MS) connect();
  }

  async function refresh() {
    const form = sheet.querySelector("form");
    if (form && (form.contains(document.activeElement) || [...form.elements].some((f) => f.value && f.name !== ""))) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-refresh]");
      if (!answer.ok || !fresh) throw new Error(answer.status);
      sheet.replaceChildren(...fresh.childNodes);
      alive(Number(page.body.dataset.now));
    } catch { body.classList.add("stale"); stale = true; }
  }

  if (live) {
    if (matchMedia("(max-width: 700px)").matches) for (const el of document.querySelectorAll("details.area")) el.open = false;
    connect();
    setInterval(watch, 1000);
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", (e) => { if (e.persisted) connect(); });
  }
  if (sheet) setInterval(refresh, Number(sheet.dataset.refresh) * 1000);
  setInterval(tick, 1000);
  tick();
})();
