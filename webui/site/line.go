package site

import (
	"html/template"
	"time"

	"aes67os/init/api"
)

// line is the HTML of a line of the log. A page begins with many of them, and a
// template would take most of the page's time for them. Everything that is not ours
// is escaped.
func line(e api.LogEntry) template.HTML {
	at := e.Time.UTC()
	severity := template.HTMLEscapeString(string(e.Severity))
	service := template.HTMLEscapeString(e.Service)
	return template.HTML(`<li class="` + severity + `" data-service="` + service + `" data-severity="` + severity +
		`"><time datetime="` + at.Format("2006-01-02T15:04:05.000Z") + `" title="` + at.Format("2006-01-02 15:04:05.000") + ` UTC">` +
		at.Format(time.TimeOnly) + `</time> <span class="from" title="` + service + `">` + service +
		`</span> <span class="severity">` + severity + `</span> <span class="text">` + template.HTMLEscapeString(e.Text) + `</span></li>`)
}
