package report

import (
	"strings"
	"testing"
)

func TestMarkupEscapesAndKnowsItsLimits(t *testing.T) {
	type item struct {
		Name string
		N    int
	}
	data := struct {
		Text  string
		Raw   raw
		Items []item
		None  []item
		One   item
		Odd   map[string]int
	}{Text: `<b a='1' b="2">&`, Raw: `<i>`, Items: []item{{"x", 1}, {"y", 2}}, Odd: map[string]int{"a": 1}}
	for _, c := range []struct{ source, want, err string }{
		{source: `<p title="{{.Text}}">{{.Text}}`, want: `<p title="&lt;b a=&#39;1&#39; b=&#34;2&#34;&gt;&amp;">&lt;b a=&#39;1&#39; b=&#34;2&#34;&gt;&amp;`},
		{source: `{{.Raw}}{{len .Items}}`, want: `<i>2`},
		{source: `{{range $i, $v := .Items}}{{if $i}}, {{end}}{{$v.Name}}{{.N}}{{end}}`, want: `x1, y2`},
		{source: `{{range .None}}some{{else}}none{{end}}`, want: `none`},
		{source: `{{with .One.Name}}{{.}}{{else}}{{or .One.Name "no name"}}{{end}}`, want: `no name`},
		{source: `{{if .None}}some{{end}}{{if .One.N}}one{{else}}zero{{end}}`, want: `zero`},
		{source: `{{template "t" .Text}}{{define "t"}}{{.}}{{end}}`, want: `&lt;b a=&#39;1&#39; b=&#34;2&#34;&gt;&amp;`},
		{source: `{{.Missing}}`, err: "no field Missing"},
		{source: `{{.Odd}}`, err: "not supported"},
		{source: `{{.Text | len}}`, err: "not supported"},
		{source: `{{range .Text}}{{end}}`, err: "not supported"},
		{source: `{{range $v := .Items}}{{end}}`, err: "not supported"},
		{source: `{{template "t"}}`, err: "not supported"},
		{source: `{{$v := .Text}}`, err: "not supported"},
		{source: `{{or .Text}}`, err: "not supported"},
		{source: `{{len .One}}`, err: "not supported"},
		{source: `{{break}}`, err: "outside"},
		{source: `{{upper .Text}}`, err: "upper"},
	} {
		var b strings.Builder
		m, err := parseMarkup(c.source)
		if err == nil {
			err = m.execute(&b, data)
		}
		if got := b.String(); c.err == "" && (err != nil || got != c.want) {
			t.Errorf("%s = %s, %v, want %s", c.source, got, err, c.want)
		}
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %v, want an error that says %q", c.source, err, c.err)
		}
	}
}
