// What a browser does on the way: it follows redirects, keeps cookies, and sends forms.

export class Browser {
  #cookies = new Map();

  /** Asks, and follows wherever it is led; the last answer, its text, and all addresses on the way. */
  async go(address, form) {
    const way = [];
    let next = { address, form };
    while (next) {
      if (way.length > 20) throw new Error(`led in circles: ${way.join(" ")}`);
      way.push(next.address);
      const answer = await this.ask(next.address, next.form);
      const location = answer.headers.get("location");
      next = location && { address: new URL(location, way.at(-1)).href };
      if (!next) return { status: answer.status, url: way.at(-1), text: await answer.text(), way };
    }
  }

  async ask(address, form) {
    const { origin } = new URL(address);
    const own = this.#cookies.get(origin) ?? new Map();
    const cookie = [...own].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(address, {
      redirect: "manual",
      method: form ? "POST" : "GET",
      body: form && new URLSearchParams(form),
      headers: { accept: "text/html,*/*", ...(cookie && { cookie }) },
    });
    for (const given of answer.headers.getSetCookie()) {
      const [name, value] = given.split(";")[0].split(/=(.*)/s);
      if (/max-age=0|expires=thu, 01 jan 1970/i.test(given)) own.delete(name);
      else own.set(name, value);
    }
    this.#cookies.set(origin, own);
    return answer;
  }

  /** The names of the cookies of a place. */
  cookies(origin) {
    return [...(this.#cookies.get(origin)?.keys() ?? [])].sort();
  }
}

/** Where a page's form goes. */
export function action(page) {
  const [, target] = /<form[^>]*\saction="([^"]+)"/.exec(page.text) ?? [];
  if (!target) throw new Error(`no form at ${page.url} (${page.status}): ${page.text.slice(0, 500)}`);
  return new URL(target, page.url).href;
}
