// The reader's time zone, for the server to show times in; and no form is sent twice by a double click.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const kept = document.cookie.split("; ").find((one) => one.startsWith("billing_admin_zone="));
  const told = `billing_admin_zone=${encodeURIComponent(zone)}`;
  if (zone && kept !== told) {
    document.cookie = `${told}; path=/; max-age=31536000; samesite=lax`;
    if (!kept && document.querySelector("time")) location.reload();
  }
  for (const form of document.querySelectorAll("form.act-form")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
    });
  }
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form.act-form")) delete form.dataset.sent;
  });
})();
