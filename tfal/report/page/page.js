"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const bands = document.getElementById("bands");
  const said = document.getElementById("said");
  const config = { displaylogo: false, responsive: true, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };

  // What is black on white paper is white on black; grid and words follow the page.
  function themed(figure) {
    const made = structuredClone(figure);
    const [ink, grid] = dark.matches ? ["#ecebe8", "#46484c"] : ["#1d1d1b", "#dddbd4"];
    for (const trace of made.data) {
      if (trace.line?.color === "#000000" && dark.matches) trace.line.color = "#ffffff";
      if (trace.meta === "band") {
        if (dark.matches) trace.fillcolor = trace.fillcolor.replace("rgba(0,0,0,", "rgba(255,255,255,");
        if (!bands.checked) trace.fill = "none";
      }
    }
    made.layout.font = { color: ink, family: "system-ui, sans-serif" };
    made.layout.hoverlabel = { bgcolor: dark.matches ? "#222427" : "#ffffff", font: { color: ink } };
    made.layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: grid, activecolor: ink };
    for (const axis of ["xaxis", "yaxis"]) {
      made.layout[axis] = { gridcolor: grid, zerolinecolor: grid, linecolor: grid, ...made.layout[axis] };
    }
    return made;
  }

  const read = (figure) => JSON.parse(figure.querySelector("script").textContent);

  function draw(figure) {
    const made = themed(read(figure));
    const place = figure.querySelector(".chart");
    place.style.height = `${made.layout.height}px`; // what Plotly fits itself to when the window changes
    figure.dataset.drawn = "yes";
    return Plotly.newPlot(place, made.data, made.layout, config);
  }

  // A chart is drawn when it comes into sight: a page of many opens at once.
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting && !target.dataset.drawn) draw(target);
    }
  }, { rootMargin: "300px" });
  document.querySelectorAll("figure").forEach((figure) => seen.observe(figure));

  const drawn = () => [...document.querySelectorAll("figure[data-drawn]")];
  bands.addEventListener("change", () => {
    for (const figure of drawn()) {
      const place = figure.querySelector(".chart");
      const which = place.data.flatMap((trace, number) => (trace.meta === "band" ? [number] : []));
      if (which.length) Plotly.restyle(place, { fill: bands.checked ? "toself" : "none" }, which);
    }
  });
  dark.addEventListener("change", () => drawn().forEach((figure) => {
    const made = themed(read(figure));
    Plotly.react(figure.querySelector(".chart"), made.data, made.layout, config);
  }));

  const tabs = [...document.querySelectorAll("[role=tab]")];
  function show(tab) {
    for (const each of tabs) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", chosen);
      each.tabIndex = chosen ? 0 : -1;
      document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
    }
    scrollTo(0, 0);
  }
  for (const tab of tabs) {
    tab.addEventListener("click", () => {
      show(tab);
      try { history.replaceState(null, "", `#${tab.id.slice(4)}`); } catch { /* some browsers keep no address of a file */ }
    });
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
      next.focus();
      next.click();
    });
  }
  const wanted = document.getElementById(`tab-${decodeURIComponent(location.hash.slice(1))}`);
  show(wanted ?? tabs[0]);

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const box = document.createElement("textarea");
      box.value = text;
      document.body.append(box);
      box.select();
      const done = document.execCommand("copy");
      box.remove();
      if (!done) throw new Error("refused");
    }
  }
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-copy]");
    if (!button) return;
    const source = button.closest(".table").querySelector(`script[data-kind=${button.dataset.copy}]`);
    try {
      await copy(JSON.parse(source.textContent));
      said.textContent = "Copied";
    } catch {
      said.textContent = "The browser does not let a page copy; the files lie beside it.";
    }
  });
})();
