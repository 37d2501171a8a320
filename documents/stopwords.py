"""Words that carry no content of a question, English and Chinese, as data.

They are left out of a question's content terms only. The search index keeps them: BM25's idf
weighs common words down by itself, and a stop list at index time would lose "The Who".
"""

from __future__ import annotations


def _words(listing: str) -> frozenset[str]:
    return frozenset(listing.split())


ENGLISH_STOP_WORDS = _words(
    """
    a about after again all also always am an and any anyone anything are aren as ask at be
    because been before being between both but by can cannot could couldn d did didn do does
    doesn doing don each either else ever every few for from further get gets getting give given
    go goes had hadn has hasn have haven having he hello hence her here hers herself hi him
    himself his how however i if in into is isn it its itself just kindly know let like ll m many
    may me might mine more most much must my myself need needs neither no nor not of off often on
    once one only or other others our ours ourselves out over own please possible re really s
    same shall she should shouldn since so some someone something such t take tell than thank
    thanks that the their theirs them themselves then there these they thing things this those
    through thus to too u until up upon us use used uses using usually ve very via want was wasn
    we well were weren what whatever when whenever where whether which while who whom whose why
    will with within without won would wouldn yes yet you your yours yourself yourselves
    best better way ways good explain describe mean means called
    """
)

ENGLISH_FUNCTION_WORDS = _words(
    """
    a about after also and any are as at been before but by can could did do does for from had
    has have he her his how i if in into is it its may more most my no not of on or other should
    that the their there these they this those to was we were what when where which while who why
    will with would you your
    """
)
"""The words that tell English from other languages in Latin script."""

OTHER_FUNCTION_WORDS = (
    _words(
        """
        der die das und ist nicht ein eine einen zu den mit von auf für im dem des auch sich wie
        le la les et est un une des du dans pour que qui sur pas avec au aux ce cette plus
        el los las y es una en por con para del se como su lo al más
        il di che è e per non sono della con gli dei nel alla
        o os um uma não na no da do em ao pela
        de het een van en niet dat met voor zijn op
        och att det som är på av inte med ett
        """
    )
    - ENGLISH_FUNCTION_WORDS
)
"""German, French, Spanish, Italian, Portuguese, Dutch, Swedish: enough to say "not English"."""

CHINESE_STOP_PHRASES = _words(
    # Simplified.
    """
    什么 什么样 什么时候 为什么 为何 怎样 怎么 怎么样 怎么办 如何 何时 何地 哪些 哪个 哪里 哪种
    哪儿 哪 谁 几 多少 多久 多大 多长时间 是什么 有什么 有哪些 是否 能否 可否 能不能 可不可以
    是不是 有没有 会不会 要不要 应该 应当 可以 才能 能够 请问 请 告诉 一下 我 我们 你 你们 您
    他 他们 她 她们 它 它们 自己 这 这个 这些 这种 那 那个 那些 那种 以及 或者 还是 因为 所以
    如果 但是 而且 的 了 吗 呢 吧 啊 嘛 么 之 与
    """
    # Traditional, where the form differs.
    """
    什麼 什麼樣 什麼時候 為什麼 為何 怎樣 怎麼 怎麼樣 怎麼辦 何時 哪個 哪裡 哪種 哪兒 誰 幾
    多長時間 是什麼 有什麼 會不會 應該 應當 能夠 請問 請 告訴 我們 你們 他們 她們 它們
    這 這個 這些 這種 那個 那種 還是 因為 嗎 麼 與
    """
)
"""Question words, pronouns and particles that are dropped from a Chinese question."""

CHINESE_STOP_CHARACTERS = frozenset(
    "和或及是在有对對从從到能会會要可被把就都很也还還又再更最等中上下里裡"
)
"""Characters that say nothing when they stand alone between other words."""

CHINESE_PROTECTED_WORDS = _words(
    """
    目的 的确 了解 申请 申請 请假 請假 邀请 邀請 几何 幾何 几乎 自我 之前 之后 之後 之间 之間
    参与 參與 与会 與會
    """
)
"""Words that contain a stop phrase and still carry content."""
