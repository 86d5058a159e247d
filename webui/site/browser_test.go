package site

import (
	"context"
	"fmt"
	"testing"
	"time"

	"aes67os/init/api"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// TestBrowser uses the page as a person does, in Chromium: what app.js does is seen
// nowhere else, and neither is what the security policy forbids by mistake.
func TestBrowser(t *testing.T) {
	f := newFakeInit(t)
	for i := range 60 {
		f.add("kernel", api.Debug, fmt.Sprintf("line %d", i))
	}
	server := serve(t, f.socket, "", nil)

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	// Refused by the security policy, or thrown: nothing of the kind while all is well.
	complaints := make(chan string, 100)
	if err := chromedp.Listen(ctx, func(ev any) {
		switch e := ev.(type) {
		case *runtime.EventExceptionThrown:
			complaints <- e.ExceptionDetails.Text
		case *log.EventEntryAdded:
			complaints <- e.Entry.Text
		}
	}); err != nil {
		t.Fatal(err)
	}
	do := func(what string, steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	// until waits for something to become true in the page.
	until := func(what, expression string) {
		t.Helper()
		if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression)); err != nil {
			now, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
			t.Fatalf("%s: %v; the page is now:\n%s", what, err, now)
		}
	}
	script := func(code string) {
		t.Helper()
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("(() => {"+code+"; return true})()")); err != nil {
			t.Fatalf("%s: %v", code, err)
		}
	}
	const lines, jump = `document.getElementById("log")`, `document.getElementById("log-jump")`
	atEnd := `Math.abs(` + lines + `.scrollHeight - ` + lines + `.scrollTop - ` + lines + `.clientHeight) < 8`

	do("open", chromedp.Navigate(server.URL))
	until("the page comes with the log's tail, at its end", lines+`.childElementCount === 63 && `+atEnd)
	f.add("webui", api.Warning, "live")
	until("a new line appears and is followed", lines+`.lastElementChild.innerText.includes("live") && `+atEnd)
	until("its service can be chosen", `document.querySelectorAll("#log-service option").length === 5`)

	script(lines + `.scrollTop = 0`)
	until("the scrolling is noticed", `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
	f.add("webui", api.Info, "unseen")
	until("a reader is not disturbed, but told", jump+`.innerText === "1 new, go to the end" && `+lines+`.scrollTop === 0`)
	do("jump", chromedp.Click(chromedp.CSS("#log-jump")))
	until("the button goes to the end and away", atEnd+` && `+jump+`.hidden`)

	script(`const s = document.getElementById("log-severity"); s.value = "warning"; s.dispatchEvent(new Event("change"))`)
	until("the filter leaves warnings and errors", `[...`+lines+`.children].filter(row => !row.hidden).length === 2`)

	f.set(func() { f.status.CPU.Busy = 0.21; f.status.Notes[0].Text = "another note" })
	until("a figure changes", `document.querySelector("#overview .figure").innerText.startsWith("21")`)
	until("a note changes", `document.getElementById("identity").innerText.includes("another note")`)
	// A panel that has not changed since keeps its very elements.
	script(`window.before = [...document.querySelectorAll(".port, .note, .tile, #services tr")]; window.requests = 0;
		document.body.addEventListener("htmx:afterRequest", () => window.requests++)`)
	until("every panel has been asked for again", `window.requests > 8`)
	until("what has not changed is left alone", `window.before.length > 8 && window.before.every(element => element.isConnected)`)

	select {
	case text := <-complaints:
		t.Errorf("the browser complains: %s", text)
	default:
	}
	server.CloseClientConnections()
	server.Listener.Close()
	until("the page says that the appliance is gone", `document.getElementById("link").innerText.includes("Out of reach")`)
}
