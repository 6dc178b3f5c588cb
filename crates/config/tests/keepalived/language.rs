//! What lines mean. The examples are those of keepalived.conf(5) and what keepalived 2.2.7 was seen to do.

use crate::files::{read, said, shown};

/// The statements of one file, which is without fault.
fn meaning(text: &str) -> String {
    let document = read(&[("k.conf", text)]);
    assert_eq!(said(&document), Vec::<String>::new(), "{text}");
    shown(&document)
}

fn faults(text: &str) -> Vec<String> {
    said(&read(&[("k.conf", text)]))
}

#[test]
fn blocks_open_and_close_anywhere() {
    let expected = "a b {\n  c\n  d e {\n    f\n  }\n  g\n}\nh\n";
    for text in [
        "a b {\nc\nd e {\nf\n}\ng\n}\nh\n",
        "a b\n{\n  c\n  d e\n {\n f }\n g\n}\n h",
        "a b{c\nd e{f}g}h",
        "a b { # x\r\n\r\n c ! y\r\n d e {\r\n f } g }\r\nh\r\n",
    ] {
        assert_eq!(meaning(text), expected, "{text}");
    }
    assert_eq!(meaning("a {}\nb \"{\" \"x } y\"\n"), "a {\n}\nb { |x } y|\n");
}

#[test]
fn a_definition_counts_when_it_is_used() {
    let text =
        "$BASE=10.2.${SUB}\n$SUB=0\nip ${BASE}.100/32\n$SUB=10\nip ${BASE}.100/32\n$EMPTY=\nx${EMPTY}y $EMPTY z\n";
    assert_eq!(meaning(text), "ip 10.2.0.100/32\nip 10.2.10.100/32\nxy z\n");
    // Without braces a blank, a comma, a parenthesis or the end must follow.
    assert_eq!(meaning("$A=1\na $A $A.5 ($A) $A,2 ${A}5 b$A\n"), "a 1 $A.5 (1) 1,2 15 b1\n");
    // What is not defined stays, in braces too; these would begin a block for keepalived, so they are told outside quotes.
    assert_eq!(meaning("a \"${B} c\" $B d\n"), "a |${B} c| $B d\n");
    assert_eq!(meaning("n \"/s ${X} 'a b'\" u\n"), "n |/s ${X} 'a b'| u\n");
    let document = read(&[("k.conf", "m /s ${X} y\n")]);
    assert_eq!(shown(&document), "m /s ${X} y\n");
    let [line] = said(&document).try_into().unwrap_or_else(|lines| panic!("{lines:?}"));
    assert!(line.starts_with("k.conf:1:6: error: this name is defined nowhere"), "{line}");
    // A comment ends a value, but for one in quotes or escaped.
    assert_eq!(meaning("$A=x # y\n$B=\"q # r\"\na $A $B \\# z\n"), "a x |q # r|\n");
}

#[test]
fn lines_of_a_definition_are_lines_where_it_is_used() {
    let text = "
        $INSTANCE= \\
        vrrp_instance VI_${NUM} { \\
            interface eth0.${NUM} \\
            # nothing
            @main priority 130 \\
            @other priority 120 \\
            virtual_ipaddress { \\
                10.0.${NUM}.254/24 \\
            } \\
        }
        $NUM=0
        $INSTANCE
        $NUM=1
        $INSTANCE
    ";
    let one = |n| {
        format!(
            "vrrp_instance VI_{n} {{\n  interface eth0.{n}\n  priority 130\n  virtual_ipaddress {{\n    10.0.{n}.254/24\n  }}\n}}\n"
        )
    };
    assert_eq!(meaning(text), one(0) + &one(1));
    let nested = "
        $RS= \\
        real 10.${V}.${R} { \\
          weight 1 \\
        }
        $VS= \\
        virtual ${V} { \\
          $R=1 \\
          $RS \\
          $R=2 \\
          $RS \\
          quorum 2 \\
        }
        $V=0
        $VS
        end
    ";
    let real = |n| format!("  real 10.0.{n} {{\n    weight 1\n  }}\n");
    assert_eq!(meaning(nested), format!("virtual 0 {{\n{}{}  quorum 2\n}}\nend\n", real(1), real(2)));
    // An empty line ends it.
    assert_eq!(meaning("$B= \\\n a \\\n\n b\nc {\n $B\n}\n"), "b\nc {\n  a\n}\n");
}

#[test]
fn conditions_compare_the_hosts_name() {
    assert_eq!(
        meaning("@main a\n@other b\n@^main c\n@^other d\n@main\n@main $A=1\n@other $A=2\ne $A\n"),
        "a\nd\ne 1\n"
    );
    assert_eq!(meaning("$IF=@main\n$IF a 1\n$NOT=@^main\n$NOT b 2\n"), "a 1\n");
    assert_eq!(meaning("@other $A= \\\n x \\\n y\nb\n"), "b\n", "the lines of another host's definition are its own");
}

#[test]
fn sequences_and_lists_repeat_their_line() {
    assert_eq!(meaning("~SEQ(S, 0, 2) ip 10.0.${S}.1\n"), "ip 10.0.0.1\nip 10.0.1.1\nip 10.0.2.1\n");
    assert_eq!(
        meaning("v {\n ~SEQx(B, 0x90, 0x10, 0xa0) ~SEQx(A, 0x11, -1, 0x10) fe81::${B}:${A}\n}\n"),
        "v {\n  fe81::90:11\n  fe81::90:10\n  fe81::a0:11\n  fe81::a0:10\n}\n"
    );
    assert_eq!(
        meaning("$N=2\n~LST({IP, Q}, {10,1},{20}) ~SEQ(Z, 1, ${N}) 192.${Z}.${IP}.${Q}x\n"),
        "192.1.10.1x\n192.2.10.1x\n192.1.20.x\n192.2.20.x\n"
    );
    let text = "$V= \\\n t ${I}.${J} { \\\n w $J \\\n }\n~SEQ(I,0,1) ~SEQ(J,1,2) $V\nend\n";
    let one = |i, j| format!("t {i}.{j} {{\n  w {j}\n}}\n");
    assert_eq!(meaning(text), one(0, 1) + &one(0, 2) + &one(1, 1) + &one(1, 2) + "end\n");
}

#[test]
fn some_names_are_there_already() {
    assert_eq!(meaning("a ${_INSTANCE} ${_ENV SITE} \"${_HASH}\" x${_BANG} y\n"), "a main north # x\n");
    let document = read(&[("etc/k.conf", "a ${_PWD}/s\ninclude d/m.conf\n"), ("etc/d/m.conf", "b ${_PWD}\n")]);
    assert_eq!(shown(&document), "a etc/s\nb etc/d\n");
    let drawn: Vec<u32> =
        meaning("~SEQ(N, 1, 200) ${_RANDOM 3 6}\n").lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!((drawn.iter().min(), drawn.iter().max(), drawn.len()), (Some(&3), Some(&6), 200));
    assert_eq!(faults("a ${_RANDOM 6 3}\n").len(), 1);
}

#[test]
fn files_are_included_where_they_are_named() {
    let files = [
        ("etc/k.conf", "a\ninclude conf.d/*.conf\ninclude {one,two}.conf\nb\n"),
        ("etc/conf.d/1.conf", "c {\ninclude more.txt\n}\n"),
        ("etc/conf.d/2.conf", "d # no line break at the end"),
        ("etc/conf.d/more.txt", "e\n"),
        ("etc/one.conf", "f\n"),
        ("etc/two.conf", "$X=1\n"),
    ];
    let document = read(&files);
    assert_eq!((shown(&document), said(&document)), ("a\nc {\n  e\n}\nd\nf\nb\n".to_owned(), vec![]));
    let names: Vec<&str> = document.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names.len(), 6);
    assert_eq!(names[0], "etc/k.conf");
}

#[test]
fn includes_are_as_strict_as_they_say() {
    let with = |text: &str| said(&read(&[("k.conf", text), ("one.conf", "x\n")]));
    let missing = "there is no `no.conf`; create it, or remove the include";
    assert_eq!(with("include no.conf\n"), [format!("k.conf:1:9: warning: {missing}")]);
    assert_eq!(with("includem no.conf\n"), [format!("k.conf:1:10: error: {missing}")]);
    assert_eq!(with("include *.no\n"), Vec::<String>::new());
    assert_eq!(with("includea *.no\n").len(), 1);
    assert_eq!(with("include {one,no}.conf\n").len(), 1);
    assert_eq!(with("global_defs {\ninclude_check\n}\ninclude no.conf\n"), [format!("k.conf:4:9: error: {missing}")]);
    assert_eq!(
        with("include_check match\ninclude_check -match\ninclude no.conf\n"),
        [format!("k.conf:3:9: warning: {missing}")]
    );
    let unknown = &with("include_check foo\n")[0];
    assert!(unknown.contains("include_check does not know `foo`"), "{unknown}");
    // What an included file says about includes counts in it alone.
    let files = [("k.conf", "include one.conf\ninclude no.conf\n"), ("one.conf", "include_check\ninclude no2.conf\n")];
    let severities: Vec<bool> = said(&read(&files)).iter().map(|line| line.contains("error")).collect();
    assert_eq!(severities, [false, true], "in the order of the files");
}

#[test]
fn faults_are_told_where_they_are() {
    assert_eq!(
        faults("a {\n  b {\n}\n"),
        ["k.conf:1:3: error: this block is never closed; add `}` after its last line"]
    );
    assert_eq!(
        faults("a\n}\nb\n"),
        ["k.conf:2:1: error: this brace closes nothing; remove it, or add the `{` that is missing before it"]
    );
    assert_eq!(
        faults("{ a\n b }\n"),
        ["k.conf:1:1: error: no keyword stands before this block; remove it, or write its keyword; it is left out"]
    );
    assert_eq!(
        faults("a \"b c\nd\n"),
        ["k.conf:1:3: error: this quotation does not end on its line; close it with `\"`"]
    );
    assert_eq!(
        faults("a\n  interface \\\n lo\n"),
        [
            "k.conf:2:13: error: a line is not continued by `\\`: only the lines of a definition `$NAME=` are; write it on one line"
        ]
    );
    assert_eq!(faults("$A=${A}\nb $A\n").len(), 1);
    assert!(faults("~SEQ(A) x\n")[0].starts_with("k.conf:1:1: error: this ~SEQ cannot be read; write ~SEQ(name, end)"));
    assert_eq!(faults("a\0b\nc\n"), ["k.conf:1:1: error: the line has a NUL in it; remove it; the line is left out"]);
    // A fault in the lines of a definition is told where they are written.
    assert_eq!(faults("$A= \\\n b \\\n \"c\nx {\n $A\n}\n")[0].split(": ").next(), Some("k.conf:3:2"));
    let document = read(&[("k.conf", "include l.conf\n"), ("l.conf", "include l.conf\nx\n")]);
    assert!(said(&document)[0].contains("include each other"), "{:?}", said(&document));
    assert!(said(&read(&[("k.conf", "a\n"), ("x", "")])).is_empty());
    let none = relvs_config::keepalived::Document::read(&crate::files::memory(&[]), "no.conf", &crate::files::host());
    assert_eq!(said(&none), ["no.conf:1:1: error: it cannot be read: there is no such file"]);
}

#[test]
fn words_know_where_they_are_written() {
    let document = read(&[("k.conf", "$A=10.0.0\nvip {\n  ${A}.1/24   dev \"eth 0\"\n}\n")]);
    let inside = &document.statements[0].block.as_ref().unwrap()[0];
    let places: Vec<_> = std::iter::once(&inside.keyword)
        .chain(&inside.arguments)
        .map(|word| (word.text.as_str(), word.place.line, word.place.column, word.place.length))
        .collect();
    assert_eq!(places, [("10.0.0.1/24", 3, 3, 9), ("dev", 3, 15, 3), ("eth 0", 3, 19, 7)]);
    assert_eq!(inside.rest, "dev \"eth 0\"");
}
