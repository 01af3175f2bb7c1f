package report

import (
	"fmt"
	"html"
	"io"
	"reflect"
	"strings"
	"text/template/parse"
)

// raw is text that goes into the page as it is. All other text is escaped.
type raw string

// markup is a page's source in the language of text/template, as much of it as the page needs: fields,
// variables, len, or, if, with, range and template. html/template would do, but calls methods by name, for
// which the linker keeps every exported method of every package: a quarter of the program that every
// member of a cluster has in memory.
//
// An action stands between tags or in a quoted attribute, where one way of escaping is right for both, or
// is raw: the source has no others.
type markup struct{ trees map[string]*parse.Tree }

func parseMarkup(source string) (markup, error) {
	trees, err := parse.Parse("page", source, "{{", "}}", map[string]any{"len": true, "or": true})
	return markup{trees}, err
}

// execute writes the page with the fields of data.
func (m markup) execute(w io.Writer, data any) error {
	e := execution{markup: m}
	e.template("page", reflect.ValueOf(data))
	if e.err != nil {
		return e.err
	}
	_, err := io.WriteString(w, e.out.String())
	return err
}

// execution is one writing of a page.
type execution struct {
	markup
	out  strings.Builder
	vars []variable // those in scope, innermost last
	err  error      // the first
}

type variable struct {
	name  string
	value reflect.Value
}

// fail notes the first error, and returns an empty text for a value.
func (e *execution) fail(format string, args ...any) reflect.Value {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
	return reflect.ValueOf("")
}

func (e *execution) template(name string, dot reflect.Value) {
	t, known := e.trees[name]
	if !known {
		e.fail("no template %q", name)
		return
	}
	outer := e.vars
	e.vars = nil
	e.node(t.Root, dot)
	e.vars = outer
}

func (e *execution) node(n parse.Node, dot reflect.Value) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			e.node(child, dot)
		}
	case *parse.TextNode:
		e.out.Write(n.Text)
	case *parse.ActionNode:
		e.print(e.pipe(n.Pipe, dot))
	case *parse.TemplateNode:
		e.template(n.Name, e.pipe(n.Pipe, dot))
	case *parse.IfNode:
		if truth(e.pipe(n.Pipe, dot)) {
			e.node(n.List, dot)
		} else {
			e.node(n.ElseList, dot)
		}
	case *parse.WithNode:
		if v := e.pipe(n.Pipe, dot); truth(v) {
			e.node(n.List, v)
		} else {
			e.node(n.ElseList, dot)
		}
	case *parse.RangeNode:
		e.each(n, dot)
	default:
		e.fail("%s is not supported", n)
	}
}

// each is a range over a slice, with no variables or with index and element.
func (e *execution) each(n *parse.RangeNode, dot reflect.Value) {
	if len(n.Pipe.Cmds) != 1 || len(n.Pipe.Decl) == 1 {
		e.fail("a range over %s is not supported", n.Pipe)
		return
	}
	list := e.command(n.Pipe.Cmds[0], dot)
	if list.Kind() != reflect.Slice {
		e.fail("a range over %v is not supported", list.Kind())
		return
	}
	if list.Len() == 0 {
		e.node(n.ElseList, dot)
	}
	for i := range list.Len() {
		outer := len(e.vars)
		if len(n.Pipe.Decl) == 2 {
			e.vars = append(e.vars, variable{n.Pipe.Decl[0].Ident[0], reflect.ValueOf(i)}, variable{n.Pipe.Decl[1].Ident[0], list.Index(i)})
		}
		e.node(n.List, list.Index(i))
		e.vars = e.vars[:outer]
	}
}

// pipe evaluates a pipeline of one command that is assigned to no variable.
func (e *execution) pipe(p *parse.PipeNode, dot reflect.Value) reflect.Value {
	if p == nil || len(p.Cmds) != 1 || len(p.Decl) > 0 {
		return e.fail("a pipeline %v is not supported", p)
	}
	return e.command(p.Cmds[0], dot)
}

// command evaluates len, or, or a value.
func (e *execution) command(c *parse.CommandNode, dot reflect.Value) reflect.Value {
	args := c.Args
	function, is := args[0].(*parse.IdentifierNode)
	switch {
	case is && function.Ident == "len" && len(args) == 2:
		if v := e.value(args[1], dot); v.Kind() == reflect.Slice {
			return reflect.ValueOf(v.Len())
		}
	case is && function.Ident == "or" && len(args) == 3:
		if v := e.value(args[1], dot); truth(v) {
			return v
		}
		return e.value(args[2], dot)
	case len(args) == 1:
		return e.value(args[0], dot)
	}
	return e.fail("%s is not supported", c)
}

func (e *execution) value(n parse.Node, dot reflect.Value) reflect.Value {
	switch n := n.(type) {
	case *parse.DotNode:
		return dot
	case *parse.StringNode:
		return reflect.ValueOf(n.Text)
	case *parse.FieldNode:
		return e.field(dot, n.Ident)
	case *parse.VariableNode:
		for i := len(e.vars) - 1; i >= 0; i-- {
			if e.vars[i].name == n.Ident[0] {
				return e.field(e.vars[i].value, n.Ident[1:])
			}
		}
	}
	return e.fail("%s is not supported", n)
}

func (e *execution) field(v reflect.Value, path []string) reflect.Value {
	for _, name := range path {
		if v.Kind() != reflect.Struct || !v.FieldByName(name).IsValid() {
			return e.fail("no field %s in %v", name, v.Type())
		}
		v = v.FieldByName(name)
	}
	return v
}

// truth is what if and with ask: whether v is not zero, nor a list without elements.
func truth(v reflect.Value) bool {
	if v.Kind() == reflect.Slice {
		return v.Len() > 0
	}
	return !v.IsZero()
}

// print writes v, which is a text or a number.
func (e *execution) print(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[raw]() {
			e.out.WriteString(v.String())
		} else {
			e.out.WriteString(html.EscapeString(v.String()))
		}
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		fmt.Fprint(&e.out, v.Interface())
	default:
		e.fail("a value of %v is not supported", v.Type())
	}
}
