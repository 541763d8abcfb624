/* SPDX-License-Identifier: MIT */
#include "dbus/completion.h"

#include <errno.h>
#include <string.h>

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

const char *completion_kind(enum completion_values values) {
        switch (values) {
        case COMPLETION_PID:
                return "pid";
        case COMPLETION_UNIT:
                return "unit";
        case COMPLETION_DEVICE:
                return "device";
        case COMPLETION_NOTHING:
        case COMPLETION_ANY:
        case COMPLETION_WORDS:
        case COMPLETION_FILE:
                break;
        }
        return NULL;
}

/* A text with a backslash before each of some characters, and what ends a quotation in a shell written as it
 * has to be there. */
static void put_quoted(FILE *out, const char *text, const char *special, const char *apostrophe) {
        for (; *text; text++)
                if (*text == '\'')
                        (void) fputs(apostrophe, out);
                else
                        (void) fprintf(out, "%s%c", strchr(special, *text) ? "\\" : "", *text);
}

/* "a|b" as "a b". */
static void put_words(FILE *out, const char *words) {
        for (; *words; words++)
                (void) fputc(*words == '|' ? ' ' : *words, out);
}

/* --- bash
 * ---------------------------------------------------------------------------------------------------- */

/* The words come from the line itself: bash splits COMP_WORDS at "=", ":" and "@" too, and puts what is
 * completed behind the last of them. */
static const char bash_begin[] =
        "    local line=${COMP_LINE:0:COMP_POINT} current option= value verb= after= skip= kind= words=\n"
        "    local -a before=()\n"
        "    current=${line##*[[:space:]]}\n"
        "    read -ra before <<<\"${line%\"$current\"}\"\n"
        "    COMPREPLY=()\n"
        "    value=$current\n"
        "    local word\n"
        "    for word in \"${before[@]:1}\"; do\n"
        "        if [[ $skip ]]; then\n"
        "            skip= option=\n"
        "        elif [[ \" $with_value \" == *\" $word \"* ]]; then\n"
        "            skip=1 option=$word\n"
        "        elif [[ $word != -* ]]; then\n"
        "            if [[ $verb ]]; then after=1; else verb=$word; fi\n"
        "        fi\n"
        "    done\n"
        "    if [[ ! $skip && $current == --*=* ]]; then\n"
        "        option=${current%%=*} value=${current#*=}\n"
        "    fi\n"
        "    case $option in\n";

static const char bash_end[] =
        "    local -a found=()\n"
        "    case $kind in\n"
        "        file)\n"
        "            compopt -o filenames 2>/dev/null\n"
        "            mapfile -t COMPREPLY < <(compgen -f -- \"$value\")\n"
        "            return ;;\n"
        "        words) read -ra found <<<\"$words\" ;;\n"
        "        ?*) mapfile -t found < <(netflowctl --complete=\"$kind\" 2>/dev/null) ;;\n"
        "    esac\n"
        "    # what is listed has its explanation; what is put in has not\n"
        "    local broken= entry\n"
        "    [[ $value == *[:@=]* ]] && broken=${value%\"${value##*[:@=]}\"}\n"
        "    [[ $broken && $COMP_WORDBREAKS != *\"${broken: -1}\"* ]] && broken=\n"
        "    for entry in \"${found[@]}\"; do\n"
        "        word=${entry%%$'\\t'*}\n"
        "        [[ $word == \"$value\"* ]] || continue\n"
        "        printf -v word %q \"${word#\"$broken\"}\"\n"
        "        if [[ $entry == *$'\\t'?* && ${COMP_TYPE-} == 63 ]]; then\n"
        "            word+=\"  (${entry#*$'\\t'})\"\n"
        "        fi\n"
        "        COMPREPLY+=(\"$word\")\n"
        "    done\n"
        "    if [[ ${#COMPREPLY[@]} == 1 ]]; then\n"
        "        COMPREPLY=(\"${COMPREPLY[0]%%  (*}\")\n"
        "    fi\n"
        "}\n";

static void bash_option(FILE *out, const struct completion_option *option) {
        const char *kind = completion_kind(option->values);

        if (option->values == COMPLETION_NOTHING)
                return;
        (void) fprintf(out, "        --%s", option->name);
        if (option->letter)
                (void) fprintf(out, "|-%c", option->letter);
        if (option->values == COMPLETION_WORDS) {
                (void) fputs(") kind=words words='", out);
                put_words(out, option->words);
                (void) fputs("' ;;\n", out);
        } else if (option->values == COMPLETION_ANY)
                (void) fputs(") ;;\n", out);
        else
                (void) fprintf(out, ") kind=%s ;;\n", kind ? kind : "file");
}

/* Options whose value is the next word; or all there are. */
static void bash_list(FILE *out, const struct completion *completion, bool with_value) {
        const char *blank = "";

        for (size_t i = 0; i < completion->n_options; i++) {
                const struct completion_option *option = &completion->options[i];

                if (with_value && (option->values == COMPLETION_NOTHING || option->optional))
                        continue;
                if (option->letter) {
                        (void) fprintf(out, "%s-%c", blank, option->letter);
                        blank = " ";
                }
                (void) fprintf(out, "%s--%s", blank, option->name);
                blank = " ";
        }
}

static void bash_verbs(FILE *out, const struct completion *completion) {
        const char *bar = "";

        (void) fputs("            elif [[ ! $verb ]]; then\n                kind=words words='", out);
        for (size_t i = 0; i < completion->n_verbs; i++)
                (void) fprintf(out, "%s%s", i > 0 ? " " : "", completion->verbs[i].name);
        (void) fputs("'\n            elif [[ ! $after ]]; then\n                case $verb in ", out);
        for (size_t i = 0; i < completion->n_verbs; i++)
                if (completion->verbs[i].takes_pid) {
                        (void) fprintf(out, "%s%s", bar, completion->verbs[i].name);
                        bar = "|";
                }
        (void) fputs(") kind=pid ;; esac\n", out);
}

static void print_bash(FILE *out, const struct completion *completion) {
        (void) fprintf(out,
                       "# bash completion for %s, made by %s --print-completion=bash\n\n_%s() {\n"
                       "    local with_value='",
                       completion->program, completion->program, completion->program);
        bash_list(out, completion, true);
        (void) fprintf(out, "'\n%s", bash_begin);
        for (size_t i = 0; i < completion->n_options; i++)
                bash_option(out, &completion->options[i]);
        (void) fputs(
                "        *)\n            if [[ $current == -* ]]; then\n                kind=words words='",
                out);
        bash_list(out, completion, false);
        (void) fputs("'\n", out);
        if (completion->n_verbs > 0)
                bash_verbs(out, completion);
        (void) fprintf(out, "            fi ;;\n    esac\n%s\ncomplete -F _%s %s\n", bash_end,
                       completion->program, completion->program);
}

/* --- zsh
 * ----------------------------------------------------------------------------------------------------- */

static void zsh_option(FILE *out, const struct completion *completion,
                       const struct completion_option *option) {
        const char *kind = completion_kind(option->values);

        (void) fputs("        ", out);
        if (option->letter)
                (void) fprintf(out, "'(-%c --%s)'{-%c+,--%s=}'", option->letter, option->name,
                               option->letter, option->name);
        else
                (void) fprintf(out, "'%s--%s%s", option->repeated ? "*" : "", option->name,
                               option->values == COMPLETION_NOTHING ? ""
                               : option->optional                   ? "=-"
                                                                    : "=");
        (void) fputc('[', out);
        put_quoted(out, option->help, "[]\\", "'\\''");
        (void) fputc(']', out);
        if (option->values != COMPLETION_NOTHING)
                (void) fprintf(out, ":%s%s:", option->optional ? ":" : "", option->name);
        if (option->values == COMPLETION_WORDS) {
                (void) fputc('(', out);
                put_words(out, option->words);
                (void) fputc(')', out);
        } else if (option->values == COMPLETION_FILE)
                (void) fputs("_files", out);
        else if (kind) /* with a blank in front, _arguments puts no options of its own between */
                (void) fprintf(out, " _%s_values %s", completion->program, kind);
        else if (option->values == COMPLETION_ANY)
                (void) fputc(' ', out);
        (void) fputs("' \\\n", out);
}

static void zsh_verbs(FILE *out, const struct completion *completion) {
        const char *bar = "";

        (void) fprintf(out, "    [[ $state == verb ]] && {\n        local -a verbs=(\n");
        for (size_t i = 0; i < completion->n_verbs; i++) {
                (void) fprintf(out, "            '%s:", completion->verbs[i].name);
                put_quoted(out, completion->verbs[i].help, "\\", "'\\''");
                (void) fputs("'\n", out);
        }
        (void) fputs("        )\n        _describe -t verbs verb verbs && ret=0\n    }\n"
                     "    [[ $state == argument && $line[1] == (",
                     out);
        for (size_t i = 0; i < completion->n_verbs; i++)
                if (completion->verbs[i].takes_pid) {
                        (void) fprintf(out, "%s%s", bar, completion->verbs[i].name);
                        bar = "|";
                }
        (void) fprintf(out, ") ]] && _%s_values pid && ret=0\n", completion->program);
}

static void print_zsh(FILE *out, const struct completion *completion) {
        (void) fprintf(
                out,
                "#compdef %s\n# made by %s --print-completion=zsh\n\n_%s_values() {\n"
                "    local -a described\n    local entry\n"
                "    for entry in ${(f)\"$(netflowctl --complete=$1 2>/dev/null)\"}; do\n"
                "        entry=${entry//\\\\/\\\\\\\\}\n"
                "        described+=(\"${${entry%%%%$'\\t'*}//:/\\\\:}:${entry#*$'\\t'}\")\n    done\n"
                "    _describe -V -t $1 $1 described\n}\n\n_%s() {\n"
                "    local curcontext=$curcontext state line ret=1\n    local -A opt_args\n"
                "    _arguments -C -s -S \\\n",
                completion->program, completion->program, completion->program, completion->program);
        for (size_t i = 0; i < completion->n_options; i++)
                zsh_option(out, completion, &completion->options[i]);
        (void) fputs(completion->n_verbs > 0 ? "        '1: :->verb' '2: :->argument' && ret=0\n"
                                             : "        && ret=0\n",
                     out);
        if (completion->n_verbs > 0)
                zsh_verbs(out, completion);
        (void) fprintf(out, "    return ret\n}\n\n_%s \"$@\"\n", completion->program);
}

/* --- fish
 * ---------------------------------------------------------------------------------------------------- */

static void fish_help(FILE *out, const char *help) {
        (void) fputs(" -d '", out);
        put_quoted(out, help, "\\", "\\'");
        (void) fputs("'\n", out);
}

static void fish_option(FILE *out, const struct completion *completion,
                        const struct completion_option *option) {
        const char *kind = completion_kind(option->values);

        (void) fprintf(out, "complete -c %s -l %s", completion->program, option->name);
        if (option->letter)
                (void) fprintf(out, " -s %c", option->letter);
        if (option->values == COMPLETION_FILE)
                (void) fputs(" -r -F", out);
        else if (option->values != COMPLETION_NOTHING && !option->optional)
                (void) fputs(" -x", out);
        if (option->values == COMPLETION_WORDS) {
                (void) fputs(" -a '", out);
                put_words(out, option->words);
                (void) fputc('\'', out);
        } else if (kind)
                (void) fprintf(out, " -a '(netflowctl --complete=%s 2>/dev/null)'", kind);
        fish_help(out, option->help);
}

static void fish_verbs(FILE *out, const struct completion *completion) {
        (void) fprintf(out, "set -l verbs");
        for (size_t i = 0; i < completion->n_verbs; i++)
                (void) fprintf(out, " %s", completion->verbs[i].name);
        (void) fputc('\n', out);
        for (size_t i = 0; i < completion->n_verbs; i++) {
                const struct completion_verb *verb = &completion->verbs[i];

                (void) fprintf(out, "complete -c %s -n \"not __fish_seen_subcommand_from $verbs\" -a %s",
                               completion->program, verb->name);
                fish_help(out, verb->help);
                if (verb->takes_pid)
                        (void) fprintf(out,
                                       "complete -c %s -n '__fish_seen_subcommand_from %s' "
                                       "-a '(netflowctl --complete=pid 2>/dev/null)'\n",
                                       completion->program, verb->name);
        }
}

static void print_fish(FILE *out, const struct completion *completion) {
        (void) fprintf(out,
                       "# fish completion for %s, made by %s --print-completion=fish\n\ncomplete -c %s -f\n",
                       completion->program, completion->program, completion->program);
        for (size_t i = 0; i < completion->n_options; i++)
                fish_option(out, completion, &completion->options[i]);
        if (completion->n_verbs > 0)
                fish_verbs(out, completion);
}

int completion_print(FILE *out, const char *shell, const struct completion *completion) {
        static const struct {
                const char *shell;
                void (*print)(FILE *, const struct completion *);
        } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

        for (size_t i = 0; i < ELEMENTSOF(shells); i++)
                if (strcmp(shells[i].shell, shell) == 0) {
                        shells[i].print(out, completion);
                        return 0;
                }
        return -EINVAL;
}
