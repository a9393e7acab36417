"""Answers without a server, for those who mock at the HTTP layer with respx: `interception(tinker_fake)`.

It works where respx sees the client's transport: httpx. Since 0.22.0 the SDK sends through pyqwest, unless a
flag says otherwise; who forgets the flag is told so. Needs respx: nobody imports this but its users. Answers
without a world are in `fake_server.interception.drawn_answers`, which needs hypothesis, too.
"""

from fake_server.interception.answers import Answers, RequestIn
from fake_server.interception.respx_routes import Intercepted, add_routes, interception
from fake_server.interception.world_answers import WorldAnswers

__all__ = ["Answers", "Intercepted", "RequestIn", "WorldAnswers", "add_routes", "interception"]
