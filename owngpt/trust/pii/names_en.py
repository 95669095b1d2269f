"""Given names and surnames in Latin letters, of many countries, written by hand; lower case, without accents."""

from __future__ import annotations


def words_of(text: str) -> frozenset[str]:
    """A list that reads well in a file."""
    return frozenset(text.split())


GIVEN = words_of(
    """
james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony donald
steven paul andrew joshua kenneth kevin brian george edward ronald timothy jason jeffrey ryan jacob gary nicholas
eric jonathan stephen larry justin scott brandon benjamin samuel gregory frank alexander raymond patrick jack
dennis jerry tyler aaron jose adam henry nathan douglas zachary peter kyle walter ethan jeremy harold keith
christian roger noah gerald carl terry sean austin arthur lawrence jesse dylan bryan joe jordan billy bruce albert
willie gabriel logan alan juan wayne roy ralph randy eugene vincent russell elijah louis bobby philip johnny
leonard liam oliver lucas mason mary patricia jennifer linda elizabeth barbara susan jessica sarah karen nancy lisa
betty margaret sandra ashley kimberly emily donna michelle dorothy carol amanda melissa deborah stephanie rebecca
sharon laura cynthia kathleen amy angela shirley anna brenda pamela emma nicole helen samantha katherine christine
debra rachel carolyn janet catherine maria heather diane ruth julie olivia joyce virginia victoria kelly lauren
christina joan evelyn judith megan andrea cheryl hannah jacqueline martha gloria teresa ann sara madison frances
kathryn janice jean abigail alice julia judy sophia grace denise amber doris marilyn danielle beverly isabella
theresa diana natalie brittany charlotte marie kayla alexis lori jane chloe zoe ella lily mia ava lucy molly daisy
freya isla ivy ruby poppy amelia harriet florence matilda eleanor beatrice imogen georgia phoebe tilly mohammed
muhammad mohamed ahmed ali omar hassan hussein ibrahim yusuf khalid abdullah fatima aisha maryam zainab layla leila
nadia samira yasmin amina noor hana huda salma rania wei ming jing li hui xiao yan fang lei jun min hao yang chen
lin mei ling hong ping qing xin yu yi zhen ying tao raj ravi amit anil sunil vijay sanjay rahul arjun rohan priya
anita sunita deepa kavita neha pooja anjali meera lakshmi sita arun ashok suresh ramesh mahesh krishna vikram
carlos luis miguel antonio francisco javier pedro manuel jorge alberto fernando rafael diego pablo sergio ricardo
eduardo alejandro enrique ramon mario raul roberto andres carmen ana isabel dolores pilar rosa cristina lucia elena
paula marta silvia beatriz juana rocio ines sofia valentina camila gabriela adriana pierre jacques michel philippe
alain bernard francois laurent nicolas olivier pascal thierry antoine guillaume marc luc yves claude henri camille
sophie nathalie isabelle sylvie valerie celine aurelie chantal monique veronique brigitte francoise delphine elodie
manon lea hans klaus wolfgang jurgen stefan andreas martin markus matthias sebastian tobias florian jan lukas felix
maximilian heinrich dieter uwe ralf bernd horst karl ursula renate monika petra sabine birgit claudia susanne heike
katrin anke lena johanna ingrid helga gisela erika giovanni giuseppe marco luca paolo francesco alessandro matteo
lorenzo davide stefano simone luigi enzo giulia francesca chiara martina federica elisa alessia paola giorgia piotr
andrzej krzysztof stanislaw tomasz pawel marcin michal jozef jerzy tadeusz lukasz zbigniew ryszard katarzyna
malgorzata agnieszka ewa krystyna elzbieta magdalena joanna zofia jadwiga danuta irena bozena beata dorota ivan
dmitri dmitry sergei sergey alexei alexey nikolai vladimir mikhail andrei igor oleg boris viktor yuri pavel olga
tatiana natalia irina svetlana anastasia ekaterina galina ludmila nina vera nadezhda yulia ksenia lars erik anders
johan nils per sven gustav mikael olof bjorn magnus henrik jonas fredrik axel oskar karin eva kristina birgitta
elisabeth astrid linnea mette lene hanne kirsten soren jens niels jorgen rasmus mads emil freja ida jukka matti
timo kari antti juha mikko jari pekka heikki hannu anneli helena kaarina liisa tuula ritva paivi minna joao paulo
tiago rui bruno andre joana mariana catarina rita fernanda luciana juliana renata mehmet mustafa ahmet huseyin
hasan ismail osman murat fatma ayse emine hatice zeynep elif meryem serife andras istvan janos jozsef laszlo zoltan
gabor ferenc attila katalin ilona zsuzsanna erzsebet agnes petr josef jiri tomas jaroslav miroslav zdenek jana
lenka katerina lucie taro jiro saburo ichiro kenji kenta kenichi hiroshi takashi satoshi makoto akira yuki yuta
daiki daisuke shota takuya tatsuya naoki kazuya kazuo kazuhiko masato masaki masao hiroki hideki hideo yoshio
toshio koji shinji seiji ryo ryota ryosuke haruto sota kaito hanako yoko keiko yumiko yumi emi mayumi kumiko naoko
tomoko noriko akiko michiko sachiko junko kyoko reiko yukiko eriko rie mika miki mai ai aya ayaka misaki sakura
haruka yui rin hina mio nanami asuka chihiro kaori saori shiori megumi tomomi minh anh linh huong thuy lan hoa tuan
dung hung somchai siti nur budi dewi agus sri putri jin soo hyun jung ji hye kim seung mike bob bill tom jim dan
dave steve chris matt nick alex sam ben max leo theo kate katie liz beth meg sue jen jenny becky vicky tina gina
wendy cindy mandy sandy randi duncan ian neil craig graham stuart gavin colin derek trevor nigel clive barry simon
malcolm angus hamish callum rory fergus fiona morag shona kirsty eilidh siobhan aoife niamh isaac caleb levi owen
wyatt hunter connor cameron evan luke adrian dominic xavier tristan marcus derrick darnell jamal tyrone lamar malik
deshawn adele adrienne agatha aidan alana alec alejandra alena alexa alexandra alfonso alfred alfredo alina alison
allison alma alvin amalia amelie amir angelica angelo anika anja anneliese annette annika antonia arabella archie
ariana ariel arlene armando arnaud arne arturo asha aurora ayesha barney bart belinda bella bernadette bernardo
bertha bianca blake bonnie brad bradley brady brent brett bridget brooke bryce caitlin candice cara carina carla
carlo carly carmela caroline cassandra cecilia cedric celia celina cesar chelsea cheyenne christa christoph clara
clarence clarissa claudette claudio clement cody conor cora corey cornelia courtney curtis cyril dagmar damian
damien damon dana daniela danny daphne darius darlene darren deanna delia delilah denis desmond devin dexter
dimitri dina dominik dominique donovan doreen dorian dorothea drago duane dustin dwayne dwight edgar edith edmund
eduard edwin eileen elaine elias elin elise elliot elliott elmer eloise elsa elvin elvira emanuel emile emilia
emilio emmanuel enid ennio erica erin ernest ernesto esmeralda esteban estelle esther ethel eugenia eugenio eunice
evgeny ezra fabian fabio faisal farah fatih faye felicia felicity felipe fidel filip flavia flavio floyd francine
frederic frederick frieda fritz gabriella garrett gaston geoffrey geraldine gerard gerardo gerhard gertrude gilbert
giles ginny gisele gladys glenda glenn gordon greta gretchen guido guillermo gunnar gunther gus gustavo gwen
gwendolyn hakim hamid hamza harald hazel hector hedwig heinz helene helmut henriette henrietta herbert herman
hilary hilda holger holly horace hortense howard hubert hugo humphrey idris ignacio ilse imran ingeborg irene irma
isaiah isidore ismael ivana jackie jacinta jada jake jakob jamie jared jarvis jasmine jasper javid jayden jeanette
jeanne jeff jenna jennie jeremiah jerome jesus jill jillian jo joachim joann joaquin jocelyn jodi joel johann
johannes jolanda jolene jonah jorg josefina josephine josie juanita judah jules juliet juliette justine karim
karina karla kathy katya kayleigh keira keisha kelsey kendra kenny kerry khadija kira kirk klara klaudia konrad
kristen kristin kurt kylie lana lance larissa latoya laurence laurie lawson leandro leon leona leonardo leonie
leroy leslie lester leticia lewis lidia liesl lila lillian lilian lina lionel lisbeth lloyd lois lola lonnie
loretta lothar louise lourdes luana lucian luciano lucille lucinda ludwig luella luiz luiza luther lydia lyle lynn
mabel madeleine madeline magda manfred mara marcel marcella marcelo marcia marcos margarita margot mariah marianne
maribel mariel marion marisol marissa marjorie marlene marlon marty marvin mathew mathias mathieu maud maureen
maurice mauricio maurizio maxim maxine maxwell melanie melinda melvin mercedes meredith merle mildred millicent
milo milos mimi minnie miranda miriam mitchell moira mona morgan morris muriel murray myra myrtle nadine naomi
nasser natasha nathaniel ned nelson nestor neville nicola nicolette nikita nikolas nikos noelle noemi nora norbert
noreen norma norman octavia odette ofelia oksana olaf olive ophelia orlando orson orville oswald otis otto ottilie
paige pansy pascale patrice patrizia paulette pauline peggy penelope percy phil phyllis pia pierce preston quentin
quincy rachael raquel rafaela ramona raphael rashid reggie regina reinhard reinhold rene renee reuben rex rhonda
robbie roberta robin rodney rodolfo rodrigo roland rolf roman ronan ronnie rosalie rosalind rosario rosemary rosie
roswitha rowan roxanne rudolf rudy rufus rupert sabrina sadie salim sally salome salvatore sami samir santino sasha
saul savannah scarlett sebastien selena selma serena seth shane shannon shauna sheila shelby sheldon shelley sherry
shirin sidney siegfried sigrid silvana simeon simona sigmund skylar sofie solomon sonia sonja spencer stacey stacy
stan stanley stefania stella stephan sterling stewart sullivan sybil sylvain sylvester sylvia tabitha talia tamara
tamas tanya tara tasha tatjana ted teodora terence terrence tessa thea thelma theodore therese tiffany tim timothee
todd tommy toni tonya torsten tracey tracy travis trent tricia trudy tyra ulrich ulrike ulysses uta valentin
valentino valeria vanessa vasily velma verena vernon veronika vicki viktoria vince vincenzo viola vivian vivien
vlad vladislav volker walid wallace walt waltraud wanda warren wendell werner wilbur wilfred wilhelm willa willard
willem wilma winifred winston wolf woodrow xander xenia yael yannick yasmine yolanda youssef yvette yvonne zara
zelda zachariah zeke zora
    """
)

SURNAMES = words_of(
    """
smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez wilson anderson
thomas taylor moore jackson martin lee perez thompson white harris sanchez clark ramirez lewis robinson walker
young allen king wright scott torres nguyen hill flores green adams nelson baker hall rivera campbell mitchell
carter roberts gomez phillips evans turner diaz parker cruz edwards collins reyes stewart morris morales murphy
cook rogers gutierrez ortiz morgan cooper peterson bailey reed kelly howard ramos kim cox ward richardson watson
brooks chavez wood james bennett gray mendoza ruiz hughes price alvarez castillo sanders patel myers long ross
foster jimenez powell jenkins perry russell sullivan bell coleman butler henderson barnes gonzales fisher vasquez
simmons romero jordan patterson alexander hamilton graham reynolds griffin wallace moreno west cole hayes bryant
herrera gibson ellis tran medina aguilar stevens murray ford castro marshall owens harrison fernandez mcdonald
woods washington kennedy wells vargas henry chen freeman webb tucker guzman burns crawford olson simpson porter
hunter gordon mendez silva shaw snyder mason dixon munoz hunt hicks holmes palmer wagner black robertson boyd stone
salazar fox warren mills meyer rice schmidt garza daniels ferguson nichols stephens soto weaver ryan gardner payne
grant dunn kelley spencer hawkins arnold pierce hansen peters santos hart bradley knight elliott cunningham duncan
armstrong hudson carroll lane riley andrews alvarado ray delgado berry perkins hoffman johnston matthews pena
richards contreras willis carpenter lawrence sandoval muller schneider fischer weber becker schulz hoffmann schafer
koch bauer richter klein wolf schroder neumann schwarz zimmermann braun kruger hofmann rossi russo ferrari esposito
bianchi romano colombo ricci marino greco bruno gallo conti deluca costa giordano mancini rizzo lombardi moretti
dubois durand leroy moreau simon laurent lefebvre michel bertrand roux vincent fournier morel girard andre mercier
dupont lambert bonnet fontaine kowalski nowak wisniewski wojcik kowalczyk kaminski lewandowski zielinski szymanski
wozniak dabrowski kozlowski jankowski mazur ivanov petrov sidorov smirnov kuznetsov popov sokolov lebedev kozlov
novikov morozov volkov johansson andersson karlsson nilsson eriksson larsson olsson persson svensson gustafsson
jensen nielsen pedersen christensen larsen sorensen rasmussen jorgensen olsen berg korhonen virtanen makinen
nieminen makela hamalainen laine heikkinen koskinen jarvinen sharma kumar singh gupta verma reddy rao mehta shah
joshi desai iyer nair khan ahmed hussain malik chaudhry wang zhang liu yang huang zhao wu zhou xu sun zhu hu guo
lin he gao luo zheng liang park choi jung kang cho yoon jang lim oliveira souza lima pereira ferreira rodrigues
almeida nascimento carvalho araujo ribeiro alves
    """
)

# Words that stand capitalized beside names, or look like one, and are none
NOT_NAMES = words_of(
    """
the this that these those a an and or but if in on at to for from of with by as is are was were be been it its he
she they we you i my your his her our their who what when where why how monday tuesday wednesday thursday friday
saturday sunday january february march april may june july august september october november december street avenue
road lane drive court place square boulevard way north south east west new york london paris berlin tokyo st rd ave
inc ltd llc corp company bank group university college school hospital department church party team club
association ministry united states kingdom dear hello hi hey thanks thank regards best sincerely cheers yes no ok
please sorry sir madam all everyone customer support sales service manager director president english french german
spanish italian japanese chinese american british russian polish swedish god internet web windows linux python
google apple amazon microsoft facebook api url http json html id name user admin system assistant summary note
subject date time error warning version table figure chapter section page part mr mrs ms miss dr prof professor
lady lord captain
    """
)

# Given names that are as often something else: alone they are believed only with a title, a greeting and the like
AMBIGUOUS = words_of(
    """
jordan georgia virginia charlotte austin madison florence victoria dakota april june may grace hope faith rose lily
daisy ivy ruby poppy amber joy mark will bill grant chase hunter mason jack pat rob sue art gene ray drew dean max min
so long van an ai mai noor linh park hong ping jun chad lee king prince earl sandy penny olive iris violet summer
autumn jean carol dawn eve frank guy harry miles nick peter rich rusty sky sonny tony victor wade ward dong hung siti
sun lan tao mei lei hui fang xin yi yu li jing ming wei lin chen yang ling qing zhen ying hao mia ella christian jersey
angel carmen pilar dolores mercedes luz sol paz noel eden savannah brooklyn paris london sydney vienna lorraine
cheyenne sierra israel francisco diego jose angeles san santiago salvador antonio bernardino lucia cruz marina roma
julian caesar roman logan dallas houston marie louis lawrence wayne carter tyler curry dew ford lane brook
"""
)
