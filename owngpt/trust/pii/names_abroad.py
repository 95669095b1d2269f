"""Given names beyond those of `names_en.py`, from Poland to Germany, and how surnames end; written by hand.

Lower case, without accents.
"""

from __future__ import annotations

import re

from owngpt.trust.pii.names_en import words_of

GIVEN_ABROAD = words_of(
    """
    aleksander aleksandra bartosz boguslaw bogdan bonifacy czeslaw dariusz franciszek grzegorz grazyna halina henryk
    iwona izabela jacek janina janusz jaroslaw jolanta julita justyna kamil karol karolina kazimierz leszek maciej
    mariusz marzena mateusz miroslaw patryk przemyslaw radoslaw rafal slawomir sylwia szymon urszula waclaw waldemar
    wieslaw wieslawa wladyslaw wojciech zdzislaw zuzanna zygmunt adela alzbeta andrej aneta blanka bohumil bohuslav
    dalibor denisa dobromila drahomira eliska evzen frantisek jakub jarmila jarmil jaromir jaroslava jindrich
    jindriska jirina juraj kamila karel kristyna kveta kvetoslava leos libor libuse lubomir lubos ludvik marcela marek
    marketa matej matous michaela milan milada milena miloslav miloslava mirek miroslava nela nikola oldrich ondrej
    otakar pavla premysl radek radim radka radomir radoslava ruzena sarka stanislav stanislava stepan svatopluk tereza
    vaclav vitezslav vlasta vojtech vratislav zbynek zdenka zuzana zlatko ales alojz alojzija andraz anica anze barica
    biserka blaz bojan bojana bostjan branka branko danica danijel dejan dragan dragica drazen dubravka dusan edvard
    elizabeta emilija franc franci goran gorazd gregor hrvoje ivanka ivica jadranka jagoda jasna jelena jelka jernej
    joze jozica jozefa jure kaja katarina klemen krunoslav ksenija kristijan ljiljana ljubica ljubo lovro luka marija
    marijan marijana marinka marjan marko mateja matija matjaz matko mihaela miha milica miran mirjana mirko mladen
    mojca natasa nebojsa nevenka nikolina nives petar polona primoz radmila rajko ratko romana rozalija rubija sanja
    sava senad silvija sinisa slavica slavko slobodan snezana stjepan stojan suncica sunica tadej tajana tanja tihana
    tihomir tjasa tomislav tomo urban uros urska vanja vedran vesna vida vinka visnja vlado vladimira vojko zarko
    zdravko zelimir zeljka zeljko zlata zlatka zoran zvonimir zvonko aladar akos aniko antal aranka arpad balazs
    balint barnabas bela bence bernadett boglarka borbala csaba csilla dalma dezso dora edit elek emese endre eniko
    eszter etelka fanni geza gergely gizella gyongyi gyorgy gyula hajnalka ibolya ilka ildiko imre ivett jeno jolan
    judit julianna kalman karoly kinga kitti kornel krisztian krisztina lajos levente lilla lorant magdolna margit
    marton matyas miklos mihaly nandor oszkar piroska reka rozalia sandor sari szabolcs szilard szilvia terez tibor
    timea tunde ubul vilmos zita zsigmond zsofia zsolt zsuzsa aatto aino anni annikki anssi antero ari arto arttu asko
    eero eeva eija eino elina emmi erkki esa eveliina hanna hannele harri heidi helvi hilkka iida ilkka ilmari inkeri
    irja jaakko jaana janne jani jarkko jarmo joni jorma jouko jouni juhani juho jussi kaija kalevi kalle katja kauko
    kimmo kirsi kyllikki lasse lauri leena maarit maija marja marjatta marjo markku mauri miro mirja mirjami niilo
    niina olavi olli onni oskari outi paavo panu pasi pauli pentti perttu petri petteri pirjo pirkko raija raimo rauno
    reijo riikka riitta risto saara saija sakari salla samuli sanna santeri satu seija seppo simo sinikka sirkka sirpa
    soile suvi taina tapani tapio tarja tarmo teemu tellervo tero terttu tiina toivo tuija tuomas tuomo tuulikki tytti
    ulla unto urho vaino valtteri vappu veikko vesa vieno viljo ville vilho virpi yrjo agneta aksel albin annelie
    arvid asa asbjorn barbro bengt bente berit birger bjarne borje brita britt britta carin christer cilla dagny ebba
    eirik einar ellinor eskil eva-lena folke frida frode gerd gerda gisle gosta greger gudrun gunilla gunvor gustaf
    haakon hakan halvard hedda hege helge henning hilde inga ingegerd inger ingvar ivar jarl jesper joakim jorunn
    jytte kai karsten katrine kerstin kettil kjell kjersti knut kristian kristoffer leif lennart lisbet lotta lovisa
    malin margareta margrethe marit marthe mats merete mikkel mogens morten nanna njal ola olav ole olle ottar ove
    palle patrik pelle pernille petter poul preben ragnar ragnhild reidar rikke roar roald rune sigbritt sigfrid
    sigurd sissel siv sixten solveig staffan stellan steinar sten stig stina stine sture sune svante svea svend sverre
    tage terje thorbjorn thore thorvald tora tord torgeir torleif tove trine trond troels trygve tuva ulf ulrika unni
    valborg vebjorn vegard viggo viveka vigdis yngve aevar agust alda andri ardis armann arna arni arnor aron asgeir
    asta atli audur baldur bara benedikt bergsveinn bergljot birkir birna bjarki bjarni bjork bogi bragi brynja
    brynjar daði dagur egill elfa ellert erla erlendur eyjolfur eyrun fanney finnur fjola freyja freyr fridrik gauti
    gisli grimur gudbjorg gudmundur gudny gudgeir gunnhildur gylfi hafdis hafþor hafthor halla halldor halldora
    hallgrimur hannes haukur heida heimir hekla helgi hilmar hjalti hjordis hlynur hordur hrafn hrafnhildur hrefna
    hulda hugi hugrun huld ingibjorg ingolfur jakobina jokull jon jonina karitas katla ketill kjartan kolbeinn kolbrun
    kristbjorg kristjan kristrun lilja logi magnea margret oddny oddur olafur oli orri osk pall petur ragna ragnheidur
    runar runolfur saevar sigmar sigridur sigrun sigurbjorg sigurdur sigurjon skuli smari snorri soley solrun steinunn
    sturla sunna svala svanhildur sverrir thor thora thorarinn thordis thordur thorir thorunn thorsteinn tinna trausti
    unnur valdimar valgerdur valur vilborg vilhjalmur yngvi yrsa þor þora þordis þordur þorsteinn abram aglaya
    afanasiy agafya akim akulina aleksandr aleksei aleksey alevtina alisa alla alyona anastasiya anatoli anatoly
    anfisa anton antonina anzhela arina arkadi arkady artem artyom asya bekbolat danila darya demid efim egor
    elizaveta evdokia evgeni evgenia evgeniya fedor feodor filipp fyodor gennady georgi georgiy gleb grigori grigory
    ilya ilyas inessa innokenti inna ippolit ivanna kirill klavdia klim konstantin kuzma larisa lavrenti lev lidiya
    liliya lubov lyubov lyudmila maksim makar marfa mariya marina marat marianna matvei miron mitrofan nadya natalya
    nelly nikifor nikolay oleksandr olesya osip pelageya platon polina prokhor raisa renat rimma rodion rostislav
    ruslan rustam saveli semyon serafim sofiya soib svyatoslav taisia taras tatyana timofey timur trofim ulyana vadim
    valeri valida valery varvara vasili vasiliy vasilisa veronica vitali vitaly vladlen vladlena volodymyr vsevolod
    vyacheslav yakov yana yaroslav yefim yegor yekaterina yelena yelizaveta yevgeni yevgenia yuliya yuriy zakhar
    zhanna zinaida zoya aslan aslanbek ahmad akhmed dzhamal elbrus ibragim isa khasan khusein magomed malika mansur
    murad ramzan rizvan salman shamil sulim turpal umar zaira zarema zelimkhan zulikhan aantje aafke aart abel adriaan
    aleida alida annemarie annemieke antje arend arie arjan bartel berend bram brigitta carlijn casper coen corrie
    daan demi dirk douwe eefje eelco elke els elske engel evert femke fenna fleur floor floris freek frits geert
    geertje geertruida gerben gerrit gijs gijsbert govert greet guus hannie hanneke harm hein heleen hendrik hendrika
    henk henny ineke jaap jacoba jannes jannie janneke jelle jeroen jip jolien joost joris jos joep jurre kees klaas
    koen koos kornelis laurens lieke lieve liesbeth lotte maaike maarten maartje machteld margriet mariska marijke
    marleen meike melle menno merel mieke mies mirthe nelleke niek nienke pepijn piet pieter quirijn reinier rens
    renske riet rinus roos roelof ruben ruud rutger sander sanne siebe sietske sijmen silke sjoerd sjaak stijn tess
    teun teunis thijs tijn tjeerd toos trijntje truus twan wessel wiebe willeke willemijn wim wouter wietske yvo asli
    aydin ayla baris berat berk beyza bulent burak buse cansu cemal cengiz ceren cihan damla defne deniz derya didem
    dilara ebru ece ecrin eda emre enes engin ercan erdem erdogan erol ersin esra eylul ezgi ferhat figen filiz furkan
    gamze gizem gokhan gul gulay gulsen halil hulya ilhan ilker inci ipek irem kaan kadir kemal kerem koray leyla
    mehtap melek meltem meral mert merve mesut metin nazli nehir nermin neslihan nihat nilufer nuray oguz okan omer
    onur orhan ozan ozge ozlem pelin pinar ramazan recep sabri sedat seda selim selin semih serdar serhat serkan sevgi
    sibel sinan sukru suleyman tarik tayfun tolga tugba tuna tuncay turgut ufuk umit utku volkan yagmur yasar yasin
    yavuz yeliz yigit yildiz yilmaz zehra zeki zerrin achille adelina agostino albano alessandra alessio alfonsina
    amedeo ambra angelina annamaria annalisa antonella antonino arianna arrigo assunta beniamino benedetta benigno
    bettina bice camilla carlotta cesare cinzia ciro corrado cosimo costantino cristiano damiano daniele danilo debora
    demetrio dino domenica domenico donatella donato edoardo egidio eleonora eliana elio elisabetta enrica enrico
    ercole ermanno ermelinda ettore fabrizio federico ferdinando filiberto fiorella fiorenza flaminia fortunata franca
    fulvio gaetano gaia gennaro giacinta giacomo giada gianfranco gianluca gianni gianpaolo gigi gilda gino gioacchino
    giorgio giovanna girolamo giuliana giuliano giulio giuseppina giustino grazia graziella ilaria immacolata isidoro
    ivano jacopo lanfranco lauretta leandra leone letizia lia liliana lino lorenza lorena loris ludovica ludovico
    luigia luisella maddalena manuela mariella marilena marisa massimo matilde mattia maura mauro michela michele
    mirella monica morena nando nella nicoletta nicolo nunzia nunziata oreste orlanda ornella osvaldo ottavia ottavio
    palmira pasquale pasqualina piera pierino piero pietro raffaele raffaella renato renzo rina rinaldo rocco romano
    romina romolo rosalba rosalia rosanna rosaria rosella rossana ruggero samuele sandro saverio sebastiano serafino
    settimio severino silvano silvio teodoro tiziana tiziano tommaso tonino tullio umberto urbano valerio vanda
    vincenza virgilio vito vittoria vittorio viviana abelardo adalberto afonso agata agostinho agustin aitor alfonsa
    almudena alonso amancio amaro amparo andreia anibal anselmo aparecida araceli aristoteles armindo asuncion augusto
    aurelio baltasar bartolome basilio belen benedita benito bento bernarda blanca blas bruna caio candela candida
    caridad carlota casimiro catalina cayetano celestino celso claudinei concepcion consuelo custodio cristobal cruz
    delfina diogo domingo domingos duarte edilson elisenda eliseo elvio encarnacion enriqueta estefania estevao
    eulalia eusebio fabricio felicidad fermin filomena flor florencio francisca gaspar genoveva gil gonzalo goncalo
    graciela gregorio guadalupe helio heloisa henrique herminia hilario horacio ildefonso immaculada inacio inmaculada
    inaki isaura isidro iker jacinto jaime javiera joaquim joaquina jorgelina josue josefa juliano julieta kaua lazaro
    leonor leopoldo lisandro lourenco luisa luzia macarena marcelino marcial mariano maricruz matheus mateo matias
    maximo melchor micaela milagros moises montserrat murilo nazare nelida nicanor nieves noelia nuno odalys olegario
    onofre oscar otavio paloma pascual paulino pelayo ramiro raimundo rebeca renan ricarda rogelio romulo roque
    rosalinda rosaura ruy sabina salvador santiago santos saturnino soledad susana tadeo tarsicio telma teofilo thiago
    ulises valentim valeriano vicenta vicente vinicius violeta vitor vitoria wagner wanderley ximena yago zacarias
    adelaide agathe aime aimee alban alexandrine aline alix alphonse amandine amaury anais anatole andree angele anne
    annabelle anne-marie anselme antonin apolline ariane aristide arlette armand armelle aubin aude auguste augustin
    aurelien axelle bastien baptiste barnabe benedicte benoit berenice berangere bertrand blaise blanche brice
    capucine carole cecile celestin celestine charlene christelle christiane christophe clemence clementine cloe
    clothilde clotilde colette constance corentin corinne cyrille didier dorothee edgard edouard edmee eglantine
    eleonore eliane eloi emeline emeric emilien emilienne emmanuelle ernestine etienne eulalie evelyne fabien fabienne
    fabrice faustine felicien fernand fernande firmin florent florentin franck frederique gael gaelle gaetan gaspard
    gatien genevieve geoffroy georges georgette geraud germain germaine gervais ghislain ghislaine gilberte gilles
    ginette gontran gregoire guilhem gustave guy gwenaelle herve hippolyte hugues huguette hyacinthe ignace irenee
    isaure jacinthe jacquot jean-baptiste jean-claude jean-luc jean-marc jean-marie jean-paul jean-pierre jeannine
    jeremie jocelyne joelle josette josiane josselin judicael julien julienne laetitia lambert laure laurette lauriane
    leonce leontine leopold lise lisette loic lorraine louison luce lucette lucien lucienne lydie maelle magali
    maixent marc-antoine marceau marcelle marcellin margaux marguerite marie-claire marie-france marie-louise mariette
    marin marise martial martine mathilde mathis maxence mireille morgane myriam nadege ninon noe noel noella noemie
    odile olympe ondine oriane orianne pacome pascaline paul-henri paulin perrine philibert philippine pierre-yves
    pierrette raoul raymonde regine regis remi remy reynald rodolphe rodrigue romain romane rosine roxane sandrine
    serge severine sidonie solange solene stephane suzanne suzette sylvette sylviane tanguy thais thibaud thibault
    thomasine urbain ursule valentine victorien violette virginie viviane wilfried xaviere yann yannis yohan yolande
    yvan yvon yvonnick zacharie zelie adalbert adelheid albrecht alwin annegret anselm ansgar armin arnulf benno
    berthold bertram birte bodo brunhilde burkhard carsten clemens detlef detlev dietmar dietrich eberhard eckhard
    edeltraud egon ehrhard elfriede emmerich engelbert erhard erich erna ernst erwin eugen ewald falk ferdinand franz
    franziska frauke friedhelm friedrich friedemann fridolin gebhard gerhild gerlinde gernot gerold gertrud gisbert
    gottfried gotthard guenter gunda gunter hannelore hansjorg harro hartmut hartwig heidemarie heidrun heiko heiner
    hella helma henrike heribert hermann herta hildegard hildegund hubertus ignaz inge ingo ingolf irmgard irmtraud
    isolde jannik jochen jost julius jutta karlheinz kaspar katharina kilian kordula korbinian kunigunde leberecht
    leonhard liane liselotte lorenz lore ludger lutz malte maike marga margarete marita mareike mechthild meinhard
    meinrad melchior moritz nepomuk nikolaus oda ortrud ortwin otmar ottmar philipp raimund rainer raphaela reimund
    reiner reinhild rosemarie rudiger rupprecht ruprecht sebald sepp siegbert sieglinde siegmund sonke steffen steffi
    svenja swantje theobald thilo thorsten tilman tilo timm traugott traude traudl udo urs ursel uschi utz veit
    volkhard volkmar wendelin wenzel wiebke wilhelmine willi winfried wolfhard wolfram xaver
    """
)

# How surnames end that are hardly anything else; a word before them must be a name too
SURNAME_ENDING = re.compile(
    r".{3,}(?:ova|ov|eva|ev|ovski|evski|ovska|sky|ska|czyk|wicz|vich|evich|ovic|evic|avic|enko|chuk|sson|ssen|sdotter"
    r"|dottir|escu|eanu|idis|akis|opoulos|opoulou|shvili|dze|oglu|nen|quist|strom|gren|lund|dahl|huis|szky|ffy|oczy|ez"
    r"|etti|elli|ucci|eault|eau|dijk|veld|mann|maier|mayer|stein|feld|hauser|son|yan|oulis)|.{4,}(?:sen|berg)"
)
