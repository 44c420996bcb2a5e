// @ts-check
/**
 * The parts of the panel that plain widgets cannot carry: the log of a build, and buttons that take a
 * text away.
 *
 * Of the log only the rows in sight are drawn, so that a hundred thousand lines stay smooth. The kernel sends pieces of the log's file with the place where each begins; a piece that comes
 * twice (a page that was reloaded asks for all of it again) is told by its place.
 *
 * @typedef {{
 *   get(name: string): any,
 *   send(content: object): void,
 *   on(event: string, callback: (content: any, buffers: DataView[]) => void): void,
 *   off(event: string, callback: Function): void
 * }} Model
 */

const ROW = 17;
const MOST = 400_000;
const WIDEST = 2000;
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])/g;
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;
const PREFIX = /^#\d+ \d+\.\d+ /;

/** Give a line as a terminal would show it at the end. @param {string} text @returns {string} */
export function tidy(text) {
  let line = text.replace(/\r+$/, "");
  if (line.includes("\r")) {
    const prefix = line.match(PREFIX)?.[0] ?? "";
    const last = line.slice(line.lastIndexOf("\r") + 1);
    line = last.startsWith(prefix) ? last : prefix + last;
  }
  if (line.includes("\x1b")) line = line.replace(ESCAPES, "");
  line = line.replace(CONTROL, "");
  return line.length > WIDEST ? `${line.slice(0, WIDEST)}… (${line.length} characters)` : line;
}

/** The lines that have come, put together from pieces. */
export class Lines {
  /** @type {string[]} */
  all = [];
  rest = "";
  next = -1;
  dropped = 0;
  decoder = new TextDecoder("utf-8");

  clear() {
    this.all = [];
    this.rest = "";
    this.next = -1;
    this.dropped = 0;
    this.decoder = new TextDecoder("utf-8");
  }

  /** @param {number} place @param {Uint8Array} bytes */
  take(place, bytes) {
    if (this.next < 0) this.next = place;
    const known = this.next - place;
    if (known >= bytes.length) return;
    this.next = place + bytes.length;
    // Where the kernel left out the middle of a very long log, it goes on further behind.
    const fresh = known > 0 ? bytes.subarray(known) : bytes;
    const pieces = (this.rest + this.decoder.decode(fresh, { stream: true })).split("\n");
    this.rest = pieces.pop() ?? "";
    for (const piece of pieces) this.all.push(tidy(piece));
    const over = this.all.length - MOST;
    if (over > MOST / 10) {
      this.all.splice(0, over);
      this.dropped += over;
    }
  }

  get count() {
    return this.all.length + (this.rest ? 1 : 0);
  }

  /** @param {number} number @returns {string} */
  at(number) {
    return number < this.all.length ? this.all[number] : tidy(this.rest);
  }

  /**
   * Find the next line with a text, around the end.
   * @param {string} text @param {number} from @param {number} step 1 onwards, -1 backwards
   * @returns {number} -1 if there is none
   */
  find(text, from, step) {
    const wanted = text.toLowerCase();
    const count = this.count;
    for (let seen = 0, at = from; seen < count; seen++, at += step) {
      const number = ((at % count) + count) % count;
      if (this.at(number).toLowerCase().includes(wanted)) return number;
    }
    return -1;
  }
}

/** @param {string} label @param {string} text @param {() => void} act @returns {HTMLButtonElement} */
function button(label, text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.setAttribute("aria-label", label);
  made.title = label;
  made.addEventListener("click", act);
  return made;
}

/** The log of a build. @param {{ model: Model, el: HTMLElement }} context */
function renderLog({ model, el }) {
  const lines = new Lines();
  let following = true;
  let found = -1;
  let waiting = false;
  let answered = false;

  el.classList.add("envd-log");
  const bar = document.createElement("div");
  bar.className = "envd-log-bar";
  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = "Search the log";
  search.setAttribute("aria-label", "Search the log");
  const told = document.createElement("span");
  told.setAttribute("role", "status");
  const view = document.createElement("div");
  view.className = "envd-log-view";
  view.tabIndex = 0;
  view.setAttribute("role", "log");
  view.setAttribute("aria-live", "off");
  view.setAttribute("aria-label", "Build log");
  const space = document.createElement("div");
  const rows = document.createElement("pre");
  space.appendChild(rows);
  view.appendChild(space);

  const draw = () => {
    waiting = false;
    const count = lines.count;
    space.style.height = `${count * ROW}px`;
    if (following) view.scrollTop = view.scrollHeight;
    const first = Math.max(0, Math.floor(view.scrollTop / ROW) - 5);
    const last = Math.min(count, first + Math.ceil(view.clientHeight / ROW) + 10);
    rows.style.transform = `translateY(${first * ROW}px)`;
    rows.replaceChildren(
      ...Array.from({ length: last - first }, (_, offset) => {
        const row = document.createElement("div");
        row.textContent = lines.at(first + offset) || " ";
        if (first + offset === found) row.className = "envd-log-found";
        return row;
      }),
    );
    follow.setAttribute("aria-pressed", String(following));
    const before = lines.dropped ? `, ${lines.dropped} before them in the file` : "";
    if (found < 0) told.textContent = `${count} lines${before}`;
  };
  const soon = () => {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  };
  /** @param {number} step */
  const go = (step) => {
    if (!search.value) {
      found = -1;
      soon();
      return;
    }
    const start = found < 0 ? (step > 0 ? 0 : lines.count - 1) : found + step;
    found = lines.find(search.value, start, step);
    told.textContent = found < 0 ? "Not found" : `Line ${found + 1} of ${lines.count}`;
    if (found >= 0) {
      following = false;
      view.scrollTop = Math.max(0, found * ROW - view.clientHeight / 2);
    }
    soon();
  };
  search.addEventListener("input", () => {
    found = -1;
    go(1);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") go(event.shiftKey ? -1 : 1);
    // The notebook has keys of its own.
    event.stopPropagation();
  });
  const follow = button("Follow the log", "Follow", () => {
    following = !following;
    soon();
  });
  const whole = () => [...lines.all, lines.rest].join("\n");
  const copy = button("Copy the log", "Copy", async () => {
    told.textContent = (await copyText(whole())) ? "Copied" : "The browser does not let it be copied";
  });
  const save = button("Download the log", "Download", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([whole()], { type: "text/plain" }));
    link.download = model.get("name") || "build.log";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  // The notebook scrolls the view too (it takes cells out of the page and puts them back): only the
  // user ends the following.
  let byHand = false;
  for (const kind of ["wheel", "pointerdown", "touchmove", "keydown"]) {
    view.addEventListener(kind, () => (byHand = true), { passive: true });
  }
  view.addEventListener("scroll", () => {
    const end = view.scrollHeight - view.clientHeight - view.scrollTop < ROW;
    if (end) following = true;
    else if (byHand) following = false;
    byHand = byHand && !end;
    soon();
  });
  view.addEventListener("keydown", (event) => event.stopPropagation());

  /** @param {{ kind: string, place: number, start?: boolean }} content @param {DataView[]} buffers */
  const hear = (content, buffers) => {
    if (content.kind !== "piece" || content.start) answered = true;
    if (content.kind === "clear") {
      lines.clear();
      found = -1;
      following = true;
    } else if (content.kind === "piece" && (content.start || lines.next >= 0)) {
      // What a build tells meanwhile may come before the answer to "hello".
      const data = buffers[0];
      lines.take(content.place, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    soon();
  };
  model.on("msg:custom", hear);
  bar.append(search, follow, copy, save, told);
  el.append(bar, view);
  soon();
  // A page that was just reloaded may not be connected yet, and what it says then is lost.
  const hello = () => answered || model.send({ kind: "hello" });
  hello();
  const again = setInterval(hello, 1000);
  return () => {
    clearInterval(again);
    model.off("msg:custom", hear);
  };
}

/** Put a text on the clipboard. @param {string} text @returns {Promise<boolean>} */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without https, or without the permission.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.appendChild(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/**
 * Write a text into a new cell below the one that an element is in. Widgets have no way to the
 * notebook's commands, so its own button is pressed (JupyterLab 4, Notebook 7), and the text is pasted.
 * @param {HTMLElement} el @param {string} text @returns {Promise<boolean>}
 */
async function insertCell(el, text) {
  const panel = el.closest(".jp-NotebookPanel");
  const own = el.closest(".jp-Cell"); // the click has made it the active one
  const add = /** @type {HTMLElement | null | undefined} */ (
    panel?.querySelector('[data-command="notebook:insert-cell-below"]')
  );
  if (!panel || !own || !add) return false;
  const pause = () => new Promise((done) => setTimeout(done, 50));
  const count = () => panel.querySelectorAll(".jp-Cell").length;
  const before = count();
  // JupyterLab's buttons listen to the one or to the other.
  for (const kind of ["mousedown", "click"]) {
    if (count() > before) break;
    add.dispatchEvent(new MouseEvent(kind, { bubbles: true, cancelable: true, button: 0 }));
    for (let tries = 0; tries < 10 && count() === before; tries++) await pause();
  }
  for (let tries = 0; tries < 40; tries++, await pause()) {
    const cell = panel.querySelector(".jp-Cell.jp-mod-active");
    const editor = cell !== own && cell?.querySelector(".cm-content");
    if (!editor || editor.textContent !== "") continue;
    const data = new DataTransfer();
    data.setData("text/plain", text);
    /** @type {HTMLElement} */ (editor).focus();
    editor.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    return true;
  }
  return false;
}

/** Buttons: onto the clipboard, or into a cell below. @param {{ model: Model, el: HTMLElement }} context */
function renderTake({ model, el }) {
  el.classList.add("envd-take");
  const told = document.createElement("span");
  told.setAttribute("role", "status");
  const draw = () => {
    const buttons = model.get("actions").map((/** @type {[string, string, string]} */ [label, kind, text]) => {
      const made = document.createElement("button");
      made.type = "button";
      made.textContent = label;
      made.disabled = !text;
      made.addEventListener("click", async () => {
        if (kind === "insert" && (await insertCell(el, text))) {
          told.textContent = "Inserted below";
          return;
        }
        const done = await copyText(text);
        const paste = kind === "insert" ? ": paste it into a new cell" : "";
        told.textContent = done ? `Copied${paste}` : "The browser does not let it be copied";
      });
      return made;
    });
    el.replaceChildren(...buttons, told);
  };
  draw();
  model.on("change:actions", draw);
  return () => model.off("change:actions", draw);
}

/** @param {{ model: Model, el: HTMLElement }} context */
const render = (context) => (context.model.get("part") === "log" ? renderLog : renderTake)(context);

export default { render };
