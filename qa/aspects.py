"""What a question asks about its subject, and how a passage shows that it speaks of that. Pure.

"What are the symptoms of measles?" asks for symptoms; a passage speaks of them when it says
"symptom", but also when it says "signs" or "fever". "When was it built?" asks for a time, in words
that no search keeps; a passage answers with a year. Both are told by lists of words and by shape,
English and Chinese, so that a reader can see why: nothing here is learned, nothing calls a model.

The lists name what questions of every field ask for (a person, a time, a place, a number, a
reason, a way to do it, a difference, a price, a rule) and, as many collections are about health,
what is asked of an illness. They were chosen on the questions of the training sets and are
measured by ``manage.py measure_factors``; a definition was tried too and told passages apart no
better than chance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Aspect:
    """One thing that can be asked; ``asked`` is sought in questions, ``covered`` in passages."""

    name: str
    asked: re.Pattern[str]
    covered: re.Pattern[str]


class Asked(NamedTuple):
    """An aspect that a question asks for, by which of its words."""

    aspect: Aspect
    words: str


def _aspect(name: str, asked: Sequence[str], covered: Sequence[str]) -> Aspect:
    """English alternatives first, then Chinese ones; case does not matter."""
    return Aspect(name, _any_of(*asked), _any_of(*covered))


def _any_of(english: str, chinese: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{english})\b|{chinese}", re.IGNORECASE)


_NUMBER = (
    r"\d[\d,.]*(?:\s?%)?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozens?"
    r"|hundreds?|thousands?|millions?|billions?|half|twice|percent"
)
_CHINESE_NUMBER = (
    r"\d|[一二三四五六七八九十百千万亿兩两]+"
    "[个個人名次年月天日周週小时時分岁歲元米公吨噸克倍成%种種]"
)
_MONTH = r"january|february|march|april|may \d|june|july|august|september|october|november|december"

ASPECTS: tuple[Aspect, ...] = (
    _aspect(
        "person",
        (
            r"who|whom|whose|which (?:person|people|author|president|king|queen)",
            "谁|誰|哪位|哪个人|何人",
        ),
        (
            r"(?-i:[A-Z][a-z]+ (?:[A-Z]\. )?(?:[a-z]{2,3} )?[A-Z][a-z]+)|(?-i:Mr|Mrs|Ms|Dr|Sir"
            r"|Lord|King|Queen"
            r"|President|Pope|Emperor)\.? (?-i:[A-Z])",
            "先生|女士|博士|教授|主席|总统|總統|皇帝|国王|國王|导演|導演|作者|人物"
            "|[\u4e00-\u9fff]·[\u4e00-\u9fff]",
        ),
    ),
    _aspect(
        "time",
        (
            r"when|(?:what|which) (?:year|date|day|month|century|decade|time|period|era)"
            r"|how long ago",
            "什么时候|什麼時候|何时|何時|哪年|哪一年|哪天|哪一天|几月|幾月|几年|幾年|何年"
            "|哪个时期|什么时间|時間為何",
        ),
        (
            rf"(?:1[0-9]|20)\d\d|{_MONTH}|\d{{1,2}}(?:st|nd|rd|th)? century|o'clock|[ap]\.?m"
            r"|(?:days?|weeks?|months?|years?) (?:before|after|ago|later)",
            r"\d+年|\d+月|世纪|世紀|年代|[一二三四五六七八九十〇零]+年|时期|時期|之前|之后|之後",
        ),
    ),
    _aspect(
        "place",
        (
            r"where|(?:what|which) (?:country|city|state|town|place|region|continent|county|river"
            r"|island|building|street|location|area)",
            "哪里|哪裡|哪儿|哪兒|何处|何處|何地|在哪|哪个国家|哪個國家|哪国|哪國|哪个城市"
            "|哪個城市|什么地方|什麼地方|哪个省|哪一省|位于|位於",
        ),
        (
            r"(?:in|at|near|from|of|to|on) (?:the )?(?-i:[A-Z][a-z]+)|located|north|south|east"
            r"|west",
            "位于|位於|坐落|在[^，。]{1,12}[省市县縣区區州镇鎮村国國]|[省市县縣州]",
        ),
    ),
    _aspect(
        "number",
        (
            r"how (?:many|much|old|long|far|tall|high|big|large|fast|often|deep|heavy|wide|common)"
            r"|(?:what|which) (?:number|percentage|percent|proportion|fraction|share|amount)",
            "多少|多大|多长|多長|多久|多高|多远|多遠|多重|多深|几个|幾個|几次|幾次|几名|几位"
            "|几岁|幾歲|几种|几天|百分之几|比例|多常",
        ),
        (_NUMBER, _CHINESE_NUMBER),
    ),
    _aspect(
        "reason",
        (
            r"why|how come|reasons?|causes?|caused|causing|what (?:makes|made)|led to|due to",
            "为什么|為什麼|为何|為何|原因|病因|导致|導致|引起|造成|怎么会|缘故|何故|成因|由于什么",
        ),
        (
            r"because|caus(?:e|es|ed|ing)|due to|results? (?:of|from|in)|resulted|leads? to|led to"
            r"|reasons?|owing to|therefore|since|as a result|thanks to|risk factors?|mutations?"
            r"|contribut\w+|trigger\w*|linked to|associated with|attributed",
            "因为|因為|由于|由於|因此|所以|原因|导致|導致|引起|造成|使得|所致|病因|诱因|为了"
            "|為了|缘于|源于|促使|有关|有關",
        ),
    ),
    _aspect(
        "way",
        (
            r"how (?:to|can|do|does|should|could|would|may|might|is|are|was|were|did)(?: (?:i"
            r"|we|you"
            r"|one|people|someone|it|they|he|she))?|ways? to|tips|steps|what (?:can|should) (?:i|we"
            r"|you|be done)",
            "怎样|怎樣|怎么|怎麼|如何|怎么办|怎麼辦|方法|办法|辦法|步骤|步驟|做法|窍门|小贴士|妙招",
        ),
        (
            r"should|try|avoid|make sure|can help|helps?|steps?|tips?|start|first|do not|don't|need"
            r" to|ask your|talk (?:to|with)|keep|use|using|by \w+ing|in order to|method|procedure"
            r"|click|run|set|enter|follow",
            "应|應|可以|建议|建議|避免|注意|尽量|盡量|不要|步骤|步驟|方法|首先|试|每天|使用"
            "|通过|通過|点击|點擊|设置|設置|运行|采用|採用|利用|有助",
        ),
    ),
    _aspect(
        "difference",
        (
            r"differences?|differs?|different from|compared?|comparison|versus|vs",
            "区别|區別|差别|差別|差异|差異|不同|相比|比较|比較|对比|對比",
        ),
        (
            r"than|whereas|unlike|differ\w*|compar\w+|versus|vs|while|in contrast|both|similar",
            "区别|區別|差别|差別|差异|差異|不同|相比|比较|比較|而|与此|则|則|相似|类似",
        ),
    ),
    _aspect(
        "price",
        (
            r"how much (?:does|do|is|are|did) .{1,60}(?:cost|pay)|cost|costs|price|prices|fees?"
            r"|afford",
            "多少钱|多少錢|价格|價格|价钱|费用|費用|收费|收費|票价",
        ),
        (
            r"costs?|prices?|pric\w+|fees?|paid|pay|free of charge|[$€£¥]\s?\d|\d+ (?:dollars"
            r"|euros|pounds)|insurance",
            r"元|价格|價格|费用|費用|收费|收費|免费|免費|美元|[$¥￥€]\s?\d",
        ),
    ),
    _aspect(
        "treatment",
        (
            r"treat|treats|treated|treating|treatments?|therap(?:y|ies)|cures?|cured|remed(?:y"
            r"|ies)|manage|managed|relieve",
            "治疗|治療|疗法|療法|怎么治|如何治|医治|醫治|治好|缓解|緩解",
        ),
        (
            r"treat\w*|therap\w*|medicines?|medications?|drugs?|surg\w+|remed(?:y|ies)|cures?"
            r"|relie\w+"
            r"|transplant\w*|doses?|vaccin\w+|antibiotics?|injections?|managed?",
            "治疗|治療|疗法|療法|用药|用藥|药物|藥物|手术|手術|服用|缓解|緩解|剂量|康复",
        ),
    ),
    _aspect(
        "symptoms",
        (
            r"symptoms?|signs?|feel like|look like|warning signs",
            "症状|症狀|征兆|徵兆|表现|表現|体征|體徵|迹象|有什么感觉",
        ),
        (
            r"symptoms?|signs? (?:and|of|or|may|include)|signs|pain|fever|fatigue|weakness"
            r"|swelling|nausea|rash|seizures?"
            r"|abnormalit\w+|feel\w*|characteri[sz]ed|features",
            "症状|症狀|征兆|徵兆|表现为|表現為|体征|體徵|疼痛|发热|發熱|发烧|乏力|头痛|頭痛"
            "|迹象|感到",
        ),
    ),
    _aspect(
        "prevention",
        (
            r"prevent|prevented|preventing|prevention|protect|lower (?:the|my|your) risk"
            r"|reduce (?:the|my|your) risk",
            "预防|預防|防止|避免|防范|防治|降低.{0,6}风险",
        ),
        (
            r"prevent\w*|avoid\w*|protect\w*|(?:lower|reduce)\w* (?:the|your|their)? ?risk"
            r"|vaccin\w+|screen\w+",
            "预防|預防|防止|避免|防范|防治|降低|保护|保護|减少|減少",
        ),
    ),
    _aspect(
        "diagnosis",
        (
            r"diagnos\w+|tests? for|tested|detect\w*|screen\w*|find out if",
            "诊断|診斷|检查|檢查|检测|檢測|确诊|確診|筛查|篩查|发现",
        ),
        (
            r"diagnos\w+|tests?|tested|testing|exams?|examin\w+|biops\w+|scans?|x-rays?|mri"
            r"|detect\w*|screen\w*|medical history",
            "诊断|診斷|检查|檢查|检测|檢測|确诊|確診|筛查|篩查|化验|扫描|病史",
        ),
    ),
    _aspect(
        "outlook",
        (
            r"outlook|prognosis|life expectancy|survival|long[- ]term effects?|complications?",
            "预后|預後|存活|寿命|壽命|后果|後果|并发症|併發症|能活",
        ),
        (
            r"outlook|prognosis|life expectancy|surviv\w+|long[- ]term|complications?"
            r"|recover\w*|mortality|death|lifespan",
            "预后|預後|存活|寿命|壽命|后果|後果|并发症|併發症|恢复|恢復|死亡",
        ),
    ),
    _aspect(
        "inheritance",
        (
            r"inherit\w*|genetic\w*|hereditary|runs? in (?:the )?famil\w+|genes?",
            "遗传|遺傳|基因|家族",
        ),
        (
            r"inherit\w*|genetic\w*|hereditary|genes?|mutations?|chromosom\w+|autosomal"
            r"|famil(?:y|ies)",
            "遗传|遺傳|基因|突变|突變|染色体|染色體|家族",
        ),
    ),
    _aspect(
        "safety",
        (
            r"safe|safely|safety|side effects?|dangerous|harmful|risks?|harms?|precautions?"
            r"|overdose",
            "副作用|安全|危险|危險|危害|不良反应|不良反應|风险|風險|有害|注意什么|禁忌",
        ),
        (
            r"safe\w*|side effects?|danger\w*|harm\w*|risks?|precaution\w*|warning\w*|overdose"
            r"|adverse|serious|do not",
            "副作用|安全|危险|危險|危害|不良反应|不良反應|风险|風險|有害|禁忌|慎用|注意",
        ),
    ),
    _aspect(
        "rule",
        (
            r"allowed|permitted|eligible|eligibility|entitled|entitlement|required"
            r"|requirements?|must|need to|qualify|deadline",
            "允许|允許|可否|资格|資格|条件|條件|要求|规定|規定|必须|必須|需要什么|截止|期限",
        ),
        (
            r"must|shall|allowed|permitted|eligib\w+|entitl\w+|requir\w+|may not|qualif\w+"
            r"|prohibit\w+|no later than|deadline|at least|up to",
            "允许|允許|不得|必须|必須|应当|應當|资格|資格|条件|條件|要求|规定|規定|需|截止|期限",
        ),
    ),
)


def asked_aspects(question: str) -> tuple[Asked, ...]:
    """The aspects that ``question`` asks for, in the order of ``ASPECTS``, each once."""
    found = ((aspect, aspect.asked.search(question)) for aspect in ASPECTS)
    return tuple(Asked(aspect, match.group()) for aspect, match in found if match is not None)


def covers(aspect: Aspect, passage_text: str) -> bool:
    """Whether the passage has words that speak of ``aspect``."""
    return aspect.covered.search(passage_text) is not None
