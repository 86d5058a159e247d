package rest

import (
	"errors"
	"net/http"
	"strings"

	"aes67os/aes67d/session"
	"aes67os/driver"

	"github.com/gin-gonic/gin"
)

// known has the status and category, "daemon" or "driver", that the known daemon gives
// each error. With most of the driver's it blames itself (500), not who asked.
var known = []struct {
	is       error
	status   int
	category string
}{
	{session.ErrInvalidID, http.StatusBadRequest, "daemon"},
	{session.ErrNameInUse, http.StatusBadRequest, "daemon"},
	{session.ErrNotInUse, http.StatusBadRequest, "daemon"},
	{session.ErrMAC, http.StatusBadRequest, "daemon"},
	{session.ErrURL, http.StatusBadRequest, "daemon"},
	{session.ErrFetchSDP, http.StatusBadRequest, "daemon"},
	{session.ErrParseSDP, http.StatusBadRequest, "daemon"},
	{session.ErrInvalid, http.StatusBadRequest, "daemon"},
	{session.ErrNoFigures, http.StatusNotImplemented, "driver"},
	{session.ErrSave, http.StatusInternalServerError, "daemon"},
	{driver.ErrRefused, http.StatusBadRequest, "driver"},
	{driver.ErrInvalid, http.StatusInternalServerError, "driver"},
	{driver.ErrNoStream, http.StatusInternalServerError, "driver"},
	{driver.ErrUnavailable, http.StatusInternalServerError, "driver"},
	{driver.ErrProtocol, http.StatusInternalServerError, "daemon"},
}

// fail answers in the known daemon's form: what was tried, the category, its words for
// the error; and after that, our own for what exactly is wrong.
func fail(c *gin.Context, tried string, err error) {
	for _, k := range known {
		if !errors.Is(err, k.is) {
			continue
		}
		words := k.is.Error()
		if detail := err.Error(); detail != words {
			words += ": " + strings.TrimPrefix(detail, words+": ")
		}
		refuse(c, k.status, tried+" : ("+k.category+") "+words)
		return
	}
	refuse(c, http.StatusInternalServerError, tried+" : (daemon) "+err.Error())
}
