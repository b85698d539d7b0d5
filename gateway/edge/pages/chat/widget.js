import("/widget/{{version}}/main.js");
